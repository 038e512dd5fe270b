#include "tools/file_copy.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

namespace castool::tools {
namespace {

using base::Status;

constexpr std::uint64_t kSlice = 64u << 20;  // between two looks at the stop token
constexpr std::size_t kBuffer = 1u << 20;

Status cancelled() { return base::make_error(base::Code::kCancelled, "interrupted"); }

Status copy_by_hand(int from, std::uint64_t offset, std::uint64_t size, int to,
                    base::FileOps& files, const std::stop_token& stop) {
  std::vector<std::byte> buffer(kBuffer);
  while (offset < size) {
    if (stop.stop_requested()) return cancelled();
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), size - offset);
    const ssize_t got = ::pread(from, buffer.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return base::errno_error(got < 0 ? errno : EIO, "read what is copied");
    const auto length = static_cast<std::size_t>(got);
    CASTOOL_RETURN_IF_ERROR(files.write_at(to, offset, std::span(buffer).first(length)));
    offset += length;
  }
  return base::ok();
}

}  // namespace

Status copy_file(int from, std::uint64_t size, int to, base::FileOps& files,
                 const std::stop_token& stop) {
  if (::ioctl(to, FICLONE, from) == 0) return base::ok();
  std::uint64_t copied = 0;
  while (copied < size) {
    if (stop.stop_requested()) return cancelled();
    auto in = static_cast<off_t>(copied);
    auto out = in;
    const ssize_t got = ::copy_file_range(from, &in, to, &out, std::min(kSlice, size - copied), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO)) {
      return base::errno_error(errno, "write the copy");
    }
    // The file systems cannot do it between them.
    if (got <= 0) return copy_by_hand(from, copied, size, to, files, stop);
    copied += static_cast<std::uint64_t>(got);
  }
  return base::ok();
}

}  // namespace castool::tools
