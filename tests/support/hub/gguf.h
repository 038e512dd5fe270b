// A small GGUF file that is valid in every part: header, metadata, tensor table, aligned data.
//
// Layout (GGUF version 3, little endian):
//   "GGUF" u32:3 u64:tensors u64:pairs
//   pair    = string:key u32:type value;  string = u64:length bytes;
//   array   = u32:type u64:count values
//   tensor  = string:name u32:dimensions u64[dimensions] u32:type u64:offset from the data's start
//   data    from the next multiple of general.alignment (32); each tensor at a multiple of it
#pragma once

#include <cstdint>
#include <string>

namespace castool::hub {

// A llama architecture of one block (about 4 MiB), its weights made from `seed`; always the same
// bytes for the same arguments.
[[nodiscard]] std::string make_gguf(const std::string& name, std::uint64_t seed);

}  // namespace castool::hub
