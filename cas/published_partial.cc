#include "cas/published_partial.h"

#include <fcntl.h>

#include <cerrno>

#include "cas/chunk_table.h"

namespace castool::cas {

std::uint64_t PublishedPartial::chunk_count() const { return cas::chunk_count(key_.size); }

base::Result<std::unique_ptr<ChunkWriter>> PublishedPartial::claim(std::uint64_t, std::uint64_t,
                                                                   const base::ByteRange&) {
  return std::unique_ptr<ChunkWriter>();
}

bool PublishedPartial::present(const base::ByteRange& range) const {
  return range.end() <= key_.size;
}

// A published blob is never changed from here; damage is a matter of fsck.
base::Status PublishedPartial::invalidate(const base::ByteRange&) { return base::ok(); }

base::Result<std::vector<base::ByteRange>> PublishedPartial::recheck() {
  return std::vector<base::ByteRange>();
}

base::Result<std::optional<base::UniqueFd>> PublishedPartial::try_lead() {
  base::UniqueFd nothing(::fcntl(blob_.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!nothing) return base::errno_error(errno, "another descriptor of a blob");
  return std::optional(std::move(nothing));
}

base::Status PublishedPartial::publish(const base::Digest& computed, const std::stop_token&) {
  if (computed == key_.digest) return base::ok();
  return base::make_error(
      base::Code::kDigestMismatch,
      "the bytes received hash to " + computed.text() + ", not to " + key_.digest.text());
}

}  // namespace castool::cas
