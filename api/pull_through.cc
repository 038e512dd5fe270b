#include "api/pull_through.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace castool::api {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

constexpr std::uint64_t kPiece = 1u << 20;
constexpr auto kLook = std::chrono::milliseconds(100);

// A result that another thread brings.
class Promise {
 public:
  void keep(const Status& status) CASTOOL_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    status_ = status;
    kept_.notify_all();
  }
  // nullopt: not yet, a moment later.
  [[nodiscard]] std::optional<Status> wait() CASTOOL_EXCLUDES(mutex_) {
    const auto deadline = std::chrono::steady_clock::now() + kLook;
    const base::MutexLock lock(mutex_);
    while (!status_ && kept_.wait_until(mutex_, deadline)) {
    }
    return status_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar kept_;
  std::optional<Status> status_ CASTOOL_GUARDED_BY(mutex_);
};

Result<std::string> read_piece(int fd, const base::ByteRange& range) {
  std::string bytes(static_cast<std::size_t>(range.length), '\0');
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t got = ::pread(fd, bytes.data() + done, bytes.size() - done,
                                static_cast<off_t>(range.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::errno_error(errno, "read a blob that is filled");
    if (got == 0) return make_error(Code::kIo, "a blob that is filled is too short");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

class LazyStream final : public BodyStream {
 public:
  LazyStream(std::shared_ptr<pull::LazyReader> reader, std::uint64_t size,
             const base::ByteRange& range, base::Log& log)
      : reader_(std::move(reader)), size_(size), left_(range), log_(log) {}
  ~LazyStream() override {
    if (promise_) reader_->blob().cancel(ticket_);
  }

  std::optional<std::string> next() override {
    if (left_.empty()) return std::nullopt;
    if (!promise_) ask();
    const auto status = promise_->wait();
    if (!status) return std::string();
    promise_ = nullptr;
    if (!*status) return broken(status->error());
    if (piece().end() == size_ && !settled_) {
      settled_ = true;
      promise_ = std::make_shared<Promise>();
      ticket_ = reader_->blob().settled(keeping(promise_));
      return std::string();
    }
    auto bytes = read_piece(reader_->blob().fd(), piece());
    if (!bytes) return broken(bytes.error());
    left_ = {left_.offset + bytes->size(), left_.length - bytes->size()};
    return *std::move(bytes);
  }

 private:
  [[nodiscard]] base::ByteRange piece() const {
    return {left_.offset, std::min(kPiece, left_.length)};
  }
  static pull::LazyBlob::Done keeping(const std::shared_ptr<Promise>& promise) {
    return [promise](const Status& status) { promise->keep(status); };
  }
  void ask() {
    promise_ = std::make_shared<Promise>();
    ticket_ = reader_->blob().want(piece(), keeping(promise_));
  }
  std::optional<std::string> broken(const base::Error& error) {
    log_.warn("a blob that is passed on breaks off: {}", error.text());
    left_.length = 0;
    return std::nullopt;
  }

  const std::shared_ptr<pull::LazyReader> reader_;
  const std::uint64_t size_;  // of the blob
  base::ByteRange left_;
  base::Log& log_;
  bool settled_ = false;  // asked for
  std::shared_ptr<Promise> promise_;
  pull::LazyBlob::Ticket ticket_ = 0;
};

pull::BlobHome home_of(const manifest::RefRecord& record) {
  return {record.name, record.origin, record.revision, record.kind, record.manifest};
}

}  // namespace

Status PullThrough::bring(const manifest::Source& source, const std::function<bool()>& gone) {
  CASTOOL_RETURN_IF_ERROR(check_registry(registries_, source, Insecure::kNo));
  const auto promise = std::make_shared<Promise>();
  pulls_.find(source, [promise](const Status& status) { promise->keep(status); });
  while (!gone()) {
    if (const auto status = promise->wait()) return *status;
  }
  return make_error(Code::kCancelled, "nobody waits for it any more");
}

bool PullThrough::may_complete(const manifest::RefRecord& record) const {
  if (record.state != manifest::RefState::kPartial) return false;
  const auto source = manifest::parse_source(record.source);
  return source && check_registry(registries_, *source, Insecure::kNo);
}

Result<std::unique_ptr<BodyStream>> PullThrough::read(const manifest::RefRecord& record,
                                                      const base::Digest& digest,
                                                      std::uint64_t size,
                                                      const base::ByteRange& range) {
  CASTOOL_ASSIGN(auto reader, blobs_.open(home_of(record), digest, size));
  return std::unique_ptr<BodyStream>(
      std::make_unique<LazyStream>(std::move(reader), size, range, log_));
}

}  // namespace castool::api
