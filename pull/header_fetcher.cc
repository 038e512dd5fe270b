#include "pull/header_fetcher.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "pull/window_sink.h"

namespace castool::pull {
namespace {

using base::Result;
using base::Status;

Result<std::vector<std::byte>> read_front(int fd, std::uint64_t length) {
  std::vector<std::byte> front(length);
  std::uint64_t have = 0;
  while (have < length) {
    const ssize_t got = ::pread(fd, front.data() + have, length - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::errno_error(errno, "read the front of an unfinished blob");
    if (got == 0) break;
    have += static_cast<std::uint64_t>(got);
  }
  front.resize(have);
  return front;
}

}  // namespace

Status fetch_header(cas::Store& store, fetch::Downloader& downloader, const BlobRequest& request,
                    manifest::FileFormat format, std::stop_token stop) {
  if (format == manifest::FileFormat::kOther) return base::ok();
  CASTOOL_ASSIGN(std::shared_ptr<cas::Partial> partial,
                 store.open_partial(request.key, cas::Preallocate::kNo, stop));
  if (partial->published()) return base::ok();
  const std::uint64_t size = request.key.size;
  std::uint64_t front = std::min(cas::kChunkSize, size);
  for (;;) {
    fetch::BlobJob job;
    job.label = request.key.digest.text();
    job.sink = std::make_shared<WindowSink>(IncomingBlob{partial, nullptr, request.progress, {}},
                                            base::ByteRange{0, front});
    job.addresses = request.addresses;
    CASTOOL_RETURN_IF_ERROR(downloader.run(job, stop));
    CASTOOL_ASSIGN(const auto bytes, read_front(partial->data_fd(), front));
    const auto extent = manifest::header_extent(format, bytes, size);
    if (extent.known == manifest::HeaderExtent::Known::kExactly) return base::ok();
    // A vocabulary tells its length string by string: ask seldom.
    front = std::min({std::max(extent.bytes, 2 * front), size, manifest::kMaxFileHeader});
    if (bytes.size() >= front) return base::ok();
  }
}

}  // namespace castool::pull
