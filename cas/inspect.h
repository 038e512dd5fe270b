// A stored blob held against its name, its checksums and the rules of the store, every byte of it.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/digest.h"
#include "base/result.h"
#include "cas/partial.h"
#include "cas/store.h"

namespace castool::cas {

enum class Depth {
  kFull,   // SHA-256 of everything
  kQuick,  // the checksums of the sidecar where there is one
};

struct Inspection {
  Blob blob;  // as it was opened
  bool good = false;
  // What is wrong, in whole chunks of the blob as it should be, and what is too much behind its
  // end. Everything when the sidecar cannot tell.
  std::vector<base::ByteRange> bad;
  bool wrong_mode = false;
  bool wrong_owner = false;
};

// `size` is what a manifest says, if one does. nullopt: not stored. Good blobs are stamped, and get
// a sidecar that they lack, when the store is writable. kCancelled.
[[nodiscard]] base::Result<std::optional<Inspection>> inspect_blob(
    Store& store, const base::Digest& digest, std::optional<std::uint64_t> size, Depth depth,
    const std::stop_token& stop);

// Chunks of a blob of `size` bytes whose checksum is not the recorded one, neighbours together, and
// what a file of `file_size` bytes has behind that. A chunk that the file does not have whole is
// bad. Pure.
[[nodiscard]] std::vector<base::ByteRange> bad_ranges(std::uint64_t size, std::uint64_t file_size,
                                                      const std::vector<std::uint64_t>& recorded,
                                                      const std::vector<std::uint64_t>& found);

// Gives the blob the mode that it has to have.
[[nodiscard]] base::Status mend_mode(Store& store, const Blob& blob);
// Moves the blob to quarantine, unless its name means another file by now.
[[nodiscard]] base::Status quarantine_this(Store& store, const Blob& blob);
// Files below blobs/ that are no blobs: paths below the store's directory.
[[nodiscard]] base::Result<std::vector<std::string>> list_no_blobs(const Store& store);
[[nodiscard]] base::Status quarantine_stray(Store& store, const std::string& path);

// The ranges of an unfinished blob that are said to be here and differ from their checksums. Reads
// only; what others write meanwhile is passed over.
[[nodiscard]] base::Result<std::vector<base::ByteRange>> inspect_partial(
    const Store& store, const PartialInfo& partial, const std::stop_token& stop);

}  // namespace castool::cas
