#include "fusefs/store_blobs.h"

#include <cerrno>
#include <optional>
#include <utility>

namespace castool::fusefs {
namespace {

base::Error not_stored(const base::Digest& digest) {
  base::Error error = base::make_error(base::Code::kNotFound, "the blob is not in the store",
                                       "pull the model again");
  error.digest = digest.text();
  return error;
}

}  // namespace

base::Result<cas::Blob> StoreBlobs::open(const base::Digest& digest) {
  CASTOOL_ASSIGN(std::optional<cas::Blob> blob, store_.find(digest));
  if (!blob) return not_stored(digest);
  return *std::move(blob);
}

base::Result<BlobStatus> StoreBlobs::status(const base::Digest& digest) {
  CASTOOL_ASSIGN(const std::optional<std::uint64_t> size, store_.size_of(digest));
  if (!size) return BlobStatus{};
  return BlobStatus{BlobState::kVerified, *size};
}

base::Result<struct statvfs> StoreBlobs::space() {
  struct statvfs space {};
  if (::fstatvfs(store_.dir(), &space) != 0)
    return base::errno_error(errno, "statvfs of the store");
  return space;
}

base::Result<std::string> StoreManifests::load(const base::Digest& digest,
                                               std::uint64_t limit) const {
  auto bytes = store_.read_small(digest, limit);
  if (!bytes) store_.log().warn("cannot read manifest {}: {}", digest.text(), bytes.error().text());
  return bytes;
}

base::Result<std::uint64_t> StoreManifests::size(const base::Digest& digest) const {
  CASTOOL_ASSIGN(const std::optional<std::uint64_t> size, store_.size_of(digest));
  if (!size) return not_stored(digest);
  return *size;
}

}  // namespace castool::fusefs
