#include "fusefs/session.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "fusefs/session_io.h"
#include "fusefs/session_ops.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

namespace castool::fusefs {
namespace {

// Enough for readers that wait for the disk; with warm files two cores are busy with fewer.
constexpr int kThreads = 8;
// Readers of a mount that was detached lazily may go on for ever; the daemon does not.
constexpr std::chrono::seconds kDrainTime{2};

class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { std::free(buffer_.mem); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  fuse_buf* get() { return &buffer_; }

 private:
  fuse_buf buffer_{};
};

bool watch(int epoll, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

// All pages of a node. One that the kernel does not know has none.
base::Status drop_pages(fuse_session* session, NodeId id) {
  const int failed = ::fuse_lowlevel_notify_inval_inode(session, id, 0, 0);
  if (failed == 0 || failed == -ENOENT) return base::ok();
  return base::errno_error(-failed, "notification");
}

}  // namespace

void Session::Destroy::operator()(fuse_session* session) const noexcept {
  ::fuse_session_destroy(session);
}

Session::Session(const Parts& parts) : parts_(parts) {
  context_.fs = &parts.fs;
  context_.lookups = parts.lookups;
  context_.log = &parts.log;
  context_.stack_depth = parts.stack_depth;
}

base::Result<std::unique_ptr<Session>> Session::make(base::UniqueFd device, const Parts& parts) {
  std::unique_ptr<Session> session(new Session(parts));
  std::string name = "castool";
  std::array<char*, 2> argv{name.data(), nullptr};
  fuse_args args{1, argv.data(), 0};
  session->session_.reset(
      ::fuse_session_new(&args, &session_ops(), session_ops_size(), &session->context_));
  ::fuse_opt_free_args(&args);  // libfuse rewrites the vector on its heap
  if (!session->session_)
    return base::make_error(base::Code::kInternal, "libfuse refused to start");
  const std::string path = "/dev/fd/" + std::to_string(device.get());
  if (::fuse_session_mount(session->session_.get(), path.c_str()) != 0)
    return base::make_error(base::Code::kInternal, "libfuse refused the connection");
  session->device_ = device.release();
  CASTOOL_RETURN_IF_ERROR(watch_io(*session->session_, session->device_));
  return session;
}

base::Result<std::unique_ptr<Session>> Session::serve(base::UniqueFd device, const Parts& parts) {
  CASTOOL_ASSIGN(auto session, make(std::move(device), parts));
  CASTOOL_RETURN_IF_ERROR(session->start_threads());
  return session;
}

base::Result<std::unique_ptr<Session>> Session::prepare(base::UniqueFd device, const Parts& parts,
                                                        const ConnectionState& connection) {
  CASTOOL_ASSIGN(auto session, make(std::move(device), parts));
  CASTOOL_RETURN_IF_ERROR(repeat_init(*session->session_, session->context_, connection));
  return session;
}

base::Status Session::begin(const ConnectionState& connection) {
  CASTOOL_RETURN_IF_ERROR(start_threads());
  take_requests(*session_, context_, connection);
  return base::ok();
}

base::Status Session::start_threads() {
  stopped_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!stopped_) return base::errno_error(errno, "eventfd");
  // Not blocking, so that a thread can be told to end without a signal.
  const int flags = ::fcntl(device_, F_GETFL);
  if (::fcntl(device_, F_SETFL, flags | O_NONBLOCK) != 0)
    return base::errno_error(errno, "/dev/fuse");
  parts_.notifier.start([raw = session_.get()](NodeId id) { return drop_pages(raw, id); });
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { work(); });
  return base::ok();
}

Session::~Session() { stop(); }

void Session::work() {
  const base::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  // Exclusive: a request wakes one thread, not all.
  if (!epoll || !watch(epoll.get(), device_, EPOLLIN | EPOLLEXCLUSIVE) ||
      !watch(epoll.get(), stopped_.get(), EPOLLIN)) {
    context_.log->error("a thread of the mount cannot wait for requests: errno {}", errno);
    return end();
  }
  Buffer buffer;
  std::chrono::steady_clock::time_point deadline{};
  for (;;) {
    const int got = take_request(*buffer.get());
    const bool stopping = stopping_.load(std::memory_order_acquire);
    if (stopping && deadline.time_since_epoch().count() == 0)
      deadline = std::chrono::steady_clock::now() + kDrainTime;
    if (got > 0) {
      if (stopping && std::chrono::steady_clock::now() > deadline) return;
    } else if (got == -EAGAIN) {
      if (stopping || !wait_for_request(epoll.get())) return;
    } else if (got != -EINTR) {
      return end();
    }
  }
}

// What receiving gave; the request has been handled.
int Session::take_request(fuse_buf& buffer) {
  const Gate::Pass pass(taking_);
  if (context_.silent) return -EAGAIN;
  const int got = ::fuse_session_receive_buf(session_.get(), &buffer);
  if (got > 0) ::fuse_session_process_buf(session_.get(), &buffer);
  return got;
}

// False when waiting itself failed.
bool Session::wait_for_request(int epoll) {
  std::array<epoll_event, 2> events{};
  const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
  return ready >= 0 || errno == EINTR;
}

void Session::end_threads() {
  stopping_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  if (::write(stopped_.get(), &one, sizeof one) < 0)
    context_.log->error("cannot tell the threads of the mount to end: errno {}", errno);
}

void Session::end() {
  end_threads();
  const base::MutexLock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

bool Session::wait_ended(std::stop_token stop) {
  const std::stop_callback wake(stop, [this] { changed_.notify_all(); });
  const base::MutexLock lock(mutex_);
  // The stop callback takes no lock, so its wake-up can come too early: look again now and then.
  while (!ended_ && !stop.stop_requested())
    changed_.wait_until(mutex_, std::chrono::steady_clock::now() + std::chrono::milliseconds(200));
  return ended_;
}

bool Session::is_disconnected() const {
  pollfd connection{device_, 0, 0};
  return ::poll(&connection, 1, 0) > 0 && (connection.revents & POLLERR) != 0;
}

void Session::set_max_background(std::uint32_t most) {
  context_.most_waiting = std::size_t{most} * 3 / 4;
}

// First those that take requests, then those that answer later: the former wait for none of the
// latter.
bool Session::pause(std::chrono::steady_clock::time_point deadline) {
  if (!taking_.hold(deadline)) return false;
  Gate& answering = parts_.fs.files().gate();
  if (parts_.notifier.hold(deadline)) {
    if (answering.hold(deadline)) return true;
    parts_.notifier.release();
  }
  taking_.release();
  return false;
}

void Session::resume() {
  parts_.fs.files().gate().release();
  parts_.notifier.release();
  taking_.release();
}

ConnectionState Session::connection() const {
  return {context_.init_request, context_.init_reply, context_.requests.all()};
}

void Session::leave() {
  context_.silent = true;
  end_threads();
  taking_.release();
  threads_.clear();  // none waits any more for requests, which would be the successor's
  resume();
  end();
}

void Session::stop() {
  if (stopped_once_ || !stopped_) return;
  stopped_once_ = true;
  bool ended = false;
  {
    const base::MutexLock lock(mutex_);
    ended = ended_;
  }
  PendingReads& waiting = parts_.fs.files().waiting();
  // The threads go on meanwhile: who gets what he waits for may ask for more.
  const auto time = std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      parts_.clock.scaled(kDrainTime));
  if (!ended && !waiting.wait_until_none(std::chrono::steady_clock::now() + time))
    context_.log->warn("{} reads of what has not arrived end with an error", waiting.size());
  waiting.close();
  if (parts_.lookups != nullptr) parts_.lookups->close();
  end();
  threads_.clear();
  parts_.notifier.stop();
  parts_.fs.files().close();
}

}  // namespace castool::fusefs
