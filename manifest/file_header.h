// How much of the front of a model's file its readers look at before anything else: the metadata
// and the table of tensors. Pure but for read_header(); the bytes are those of strangers.
//
//   gguf        = "GGUF" u32:version u64:tensors u64:pairs pair* tensor*     little-endian
//     pair      = string:key u32:type value           string = u64:length bytes
//     value     = 1, 2, 4 or 8 bytes, string, or u32:type u64:count value*
//     tensor    = string:name u32:dimensions u64[dimensions] u32:type u64:offset
//   safetensors = u64:length JSON[length]
//
// Sources: ggml's docs/gguf.md (versions 2 and 3), the safetensors README.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace castool::manifest {

enum class FileFormat { kOther, kGguf, kSafetensors };

// By the end of its name, in any case.
[[nodiscard]] FileFormat format_of_path(std::string_view path);

// More than that is not taken for a header; vocabularies take about 8 MiB.
inline constexpr std::uint64_t kMaxFileHeader = 16u << 20;

struct HeaderExtent {
  enum class Known { kAtLeast, kExactly };
  Known known = Known::kExactly;
  std::uint64_t bytes = 0;  // at most the file's size and kMaxFileHeader
};

// How long the header of a file of `size` bytes is, as far as its first bytes `front` tell.
// kAtLeast: it takes so many bytes, more than `front` has, to tell more. What is no such file, or
// a broken one, ends where that shows.
[[nodiscard]] HeaderExtent header_extent(FileFormat format, std::span<const std::byte> front,
                                         std::uint64_t size);

// The header, by way of `read`, which fills the place that it is given from the file's first byte
// on and says how much there was. kIo when that is less; else what `read` fails with.
using ReadFront = std::function<base::Result<std::size_t>(std::span<std::byte> place)>;
[[nodiscard]] base::Result<std::vector<std::byte>> read_header(FileFormat format,
                                                               std::uint64_t size,
                                                               const ReadFront& read);

}  // namespace castool::manifest
