#include "fusefs/open_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace castool::fusefs {

base::Result<std::shared_ptr<const OpenFile>> OpenFile::open(BlobOpener& blobs,
                                                             const FileContent& content,
                                                             std::uint64_t size, Mapping mapping) {
  OpenedBlob blob;
  if (const auto* wanted = std::get_if<BlobContent>(&content)) {
    CASTOOL_ASSIGN(blob, blobs.open(*wanted));
  }
  return make(content, size, mapping, std::move(blob));
}

base::Result<std::shared_ptr<const OpenFile>> OpenFile::open_again(BlobOpener& blobs,
                                                                   const FileContent& content,
                                                                   std::uint64_t size,
                                                                   base::UniqueFd fd) {
  OpenedBlob blob;
  if (std::holds_alternative<BlobContent>(content)) {
    struct stat attr {};
    if (::fstat(fd.get(), &attr) != 0) return base::errno_error(errno, digest_of(content).text());
    const auto stored = static_cast<std::uint64_t>(attr.st_size);
    CASTOOL_ASSIGN(blob, blobs.open_again({digest_of(content), stored, std::move(fd)}));
  }
  return make(content, size, Mapping::kWherePossible, std::move(blob));
}

base::Result<std::shared_ptr<const OpenFile>> OpenFile::make(const FileContent& content,
                                                             std::uint64_t size, Mapping mapping,
                                                             OpenedBlob blob) {
  std::shared_ptr<OpenFile> file(new OpenFile(content, size));
  if (const auto* text = std::get_if<TextContent>(&file->content_)) {
    file->bytes_ = reinterpret_cast<const std::byte*>(text->text->data());
    return std::shared_ptr<const OpenFile>(std::move(file));
  }
  file->blob_ = std::move(blob);
  const std::uint64_t stored = file->blob_.blob->size;
  if (stored != size) {
    base::Error error = base::make_error(
        base::Code::kDigestMismatch,
        fmt::format("the blob has {} bytes and its manifest says {}", stored, size));
    error.digest = file->digest().text();
    return error;
  }
  if (mapping == Mapping::kWherePossible) file->mapped_ = MappedBytes(file->fd(), size);
  file->bytes_ = file->mapped_.data();
  return std::shared_ptr<const OpenFile>(std::move(file));
}

base::Status OpenFile::check(std::uint64_t offset, std::size_t size) const {
  if (!blob_.checks) return base::ok();
  return blob_.checks->check({offset, size});
}

Slice OpenFile::slice(std::shared_ptr<const OpenFile> file, std::uint64_t offset,
                      std::size_t size) {
  Slice slice;
  if (offset < file->size_)
    slice.size = static_cast<std::size_t>(std::min<std::uint64_t>(size, file->size_ - offset));
  slice.offset = offset;
  slice.digest = file->digest();
  if (file->blob_.blob) slice.fd = file->fd();
  if (file->bytes_ != nullptr && slice.size > 0) slice.data = file->bytes_ + offset;
  slice.owner = std::move(file);
  return slice;
}

}  // namespace castool::fusefs
