// The bytes of one open file that are there: a stored blob, mapped where that works, or a generated
// text.
//
// Immutable but for what its checks learn, and safe from any thread. Holds the blob's descriptor,
// so its bytes stay readable until the last owner lets go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cas/store.h"
#include "fusefs/blob_opener.h"
#include "fusefs/mapped_bytes.h"
#include "fusefs/slice.h"
#include "fusefs/tree.h"

namespace castool::fusefs {

enum class Mapping { kWherePossible, kNever };

class OpenFile {
 public:
  // kDigestMismatch when the blob's size is not the one that the manifest promised.
  [[nodiscard]] static base::Result<std::shared_ptr<const OpenFile>> open(
      BlobOpener& blobs, const FileContent& content, std::uint64_t size,
      Mapping mapping = Mapping::kWherePossible);
  // The same for a blob that is open already; a text needs no descriptor.
  [[nodiscard]] static base::Result<std::shared_ptr<const OpenFile>> open_again(
      BlobOpener& blobs, const FileContent& content, std::uint64_t size, base::UniqueFd fd);
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  // Everything of [offset, offset + size) that lies inside the file.
  [[nodiscard]] static Slice slice(std::shared_ptr<const OpenFile> file, std::uint64_t offset,
                                   std::size_t size);
  [[nodiscard]] const FileContent& content() const { return content_; }
  [[nodiscard]] const base::Digest& digest() const { return digest_of(content_); }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // What has to be right before bytes of that range may be given out. kDigestMismatch.
  [[nodiscard]] base::Status check(std::uint64_t offset, std::size_t size) const;
  // Whether the kernel may read the blob by itself, and the descriptor to tell it of.
  [[nodiscard]] bool needs_no_look() const { return blob_.blob && !blob_.checks; }
  [[nodiscard]] int fd() const { return blob_.blob->fd.get(); }
  [[nodiscard]] const cas::Blob& blob() const { return *blob_.blob; }

 private:
  static base::Result<std::shared_ptr<const OpenFile>> make(const FileContent& content,
                                                            std::uint64_t size, Mapping mapping,
                                                            OpenedBlob blob);
  OpenFile(FileContent content, std::uint64_t size) : content_(std::move(content)), size_(size) {}

  FileContent content_;
  std::uint64_t size_;
  OpenedBlob blob_;
  MappedBytes mapped_;
  const std::byte* bytes_ = nullptr;
};

}  // namespace castool::fusefs
