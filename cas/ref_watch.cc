// inotify on the namespace's directory, and on refs/ for its appearance. A look at the directory's
// own change time each half second covers file systems and limits where inotify says nothing.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cas/layout.h"
#include "cas/ref_name.h"
#include "cas/ref_store.h"

namespace castool::cas {
namespace {

constexpr auto kLook = std::chrono::milliseconds(500);

// Enough of a directory's inode to see that an entry came, went or was replaced.
struct Stamp {
  dev_t device = 0;
  ino_t inode = 0;
  timespec changed = {};

  friend bool operator==(const Stamp& a, const Stamp& b) {
    return a.device == b.device && a.inode == b.inode && a.changed.tv_sec == b.changed.tv_sec &&
           a.changed.tv_nsec == b.changed.tv_nsec;
  }
};

class InotifyRefWatch final : public RefWatch {
 public:
  InotifyRefWatch(Store& store, const std::string& ns)
      : store_(store),
        path_(std::string(kRefsDir) + "/" + ns),
        inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
        wakeup_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    watch(kRefsDir);
    watch(path_);
    seen_ = stamp();
  }

  [[nodiscard]] bool wait(std::chrono::milliseconds timeout, std::stop_token stop) override {
    const std::stop_callback on_stop(stop, [this] { wake(); });
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!stop.stop_requested()) {
      const bool told = drain();
      const Stamp now = stamp();
      const bool changed = told || !(now == seen_);
      if (changed) {
        if (now.inode != seen_.inode) watch(path_);
        seen_ = now;
        return true;
      }
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      sleep(std::min(left, kLook));
    }
    return false;
  }

 private:
  void watch(const std::string& path) {
    if (!inotify_) return;
    // inotify knows only paths; the descriptor's own one is right wherever the store was moved to.
    const std::string absolute = "/proc/self/fd/" + std::to_string(store_.dir()) + "/" + path;
    (void)::inotify_add_watch(inotify_.get(), absolute.c_str(),
                              IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR);
  }

  [[nodiscard]] Stamp stamp() const {
    struct stat info = {};
    if (::fstatat(store_.dir(), path_.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
    return {info.st_dev, info.st_ino, info.st_mtim};
  }

  // Takes all events that wait; true if there were any.
  [[nodiscard]] bool drain() {
    bool any = false;
    std::array<char, 4096> events{};
    while (inotify_ && ::read(inotify_.get(), events.data(), events.size()) > 0) any = true;
    std::uint64_t count = 0;
    (void)!::read(wakeup_.get(), &count, sizeof count);
    return any;
  }

  void wake() noexcept {
    const std::uint64_t one = 1;
    (void)!::write(wakeup_.get(), &one, sizeof one);
  }

  void sleep(std::chrono::milliseconds longest) {
    std::array<pollfd, 2> fds = {pollfd{inotify_.get(), POLLIN, 0},
                                 pollfd{wakeup_.get(), POLLIN, 0}};
    (void)::poll(fds.data(), fds.size(), static_cast<int>(longest.count()));
  }

  Store& store_;
  const std::string path_;
  const base::UniqueFd inotify_;
  const base::UniqueFd wakeup_;
  Stamp seen_;
};

}  // namespace

base::Result<std::unique_ptr<RefWatch>> RefWatch::open(Store& store, const std::string& ns) {
  if (!is_namespace(ns)) {
    return base::make_error(base::Code::kUsage, "bad namespace \"" + ns + "\"");
  }
  return std::unique_ptr<RefWatch>(std::make_unique<InotifyRefWatch>(store, ns));
}

}  // namespace castool::cas
