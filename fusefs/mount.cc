#include "fusefs/mount.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/mutex.h"
#include "fusefs/fuse_control.h"
#include "fusefs/fuse_device.h"
#include "fusefs/handover_socket.h"
#include "fusefs/handover_state.h"
#include "fusefs/model_fs.h"
#include "fusefs/mount_table.h"
#include "fusefs/native_files.h"
#include "fusefs/notifier.h"
#include "fusefs/session.h"
#include "fusefs/store_blobs.h"
#include "fusefs/upper.h"
#include "fusefs/views/view.h"
#include "manifest/ref_record.h"

namespace castool::fusefs {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::chrono::milliseconds kLook{1000};
constexpr int kReadAheadKib = 1024;
constexpr std::size_t kSideThreads = 8;
// What one that has just been unmounted may need to end.
constexpr std::chrono::milliseconds kUpperPatience{10'000};
// For what is under way when the mount is to be handed over: local work.
constexpr std::chrono::seconds kPauseTime{10};
constexpr std::string_view kType = "fuse.castool";

// Where the mount may go; gives the canonical path.
Result<std::string> check_directory(const MountOptions& options, const cas::Store& store) {
  const auto canonical = canonical_path(options.directory);
  const auto no_directory = [&](std::string_view why) {
    return base::make_error(Code::kUsage, fmt::format("{}: {}", options.directory, why));
  };
  if (!canonical) return no_directory("there is no such directory");
  const std::string& path = *canonical;
  CASTOOL_ASSIGN(const auto mounted, current_mount_at(path));
  if (mounted && !(options.replace && mounted->type == kType))
    return base::make_error(Code::kBusy, fmt::format("{} is mounted at {}", mounted->type, path),
                            fmt::format("castool umount {}", path));
  struct stat attr {};
  if (::stat(path.c_str(), &attr) != 0) return base::errno_error(errno, path);
  if (!S_ISDIR(attr.st_mode)) return no_directory("not a directory");
  CASTOOL_ASSIGN(const std::string root, canonical_path(store.root()));
  if (is_inside(path, root)) return no_directory("it is inside the store");
  if (is_inside(root, path)) return no_directory("the store is inside it");
  if (options.upper.empty()) return path;
  // It need not be there yet.
  const auto parent = std::filesystem::path(options.upper).lexically_normal();
  const auto upper = canonical_path(options.upper).value_or(parent.string());
  for (const std::string& other : {path, root}) {
    if (!is_inside(upper, other)) continue;
    return base::make_error(Code::kUsage,
                            fmt::format("--upper {}: it is inside {}", options.upper, other));
  }
  return path;
}

// The first answer of the new mount; gives its device number.
Result<dev_t> first_listing(const std::string& directory) {
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return base::errno_error(errno, directory);
  errno = 0;
  const bool listed = ::readdir(stream) != nullptr;
  const int failed = errno;
  struct stat attr {};
  const bool stated = ::fstat(::dirfd(stream), &attr) == 0;
  ::closedir(stream);
  if (!listed || !stated) return base::errno_error(failed, directory);
  return attr.st_dev;
}

// The kernel's own limit of 128 KiB a request halves the speed of a first read; only root may raise
// it, and without it everything works.
void raise_read_ahead(dev_t device) {
  std::ofstream file(
      fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", major(device), minor(device)));
  file << kReadAheadKib << '\n';
}

class FuseMount final : public Mount, private MountGiver {
 public:
  FuseMount(MountOptions options, cas::Store& store, cas::RefStore& refs, BlobFiller* filler,
            base::Clock& clock, base::Log& log)
      : options_(std::move(options)),
        refs_(refs),
        filler_(filler),
        clock_(clock),
        log_(log),
        blobs_(store, options_.trust, options_.may_read),
        manifests_(std::make_shared<StoreManifests>(store, options_.may_read)) {}

  ~FuseMount() override {
    control_socket_.reset();
    watching_ = {};
    if (session_) finish();
  }

  Status start(cas::Store& store) {
    // Watched first: a change between the first look and the watch would be missed for a while.
    CASTOOL_ASSIGN(watch_, cas::RefWatch::open(store, refs_.ns()));
    CASTOOL_ASSIGN(records_, refs_.list());
    TreePtr tree = view_of(records_, nullptr);
    std::optional<MountEntry> there;
    if (options_.replace) {
      CASTOOL_ASSIGN(there, current_mount_at(options_.directory));
    }
    if (!options_.upper.empty()) {
      const auto patience = there ? std::nullopt : std::optional(kUpperPatience);
      CASTOOL_ASSIGN(upper_, Upper::open(options_.upper, store.files(), log_, patience));
    }
    if (there) {
      CASTOOL_RETURN_IF_ERROR(take_over(there->device, std::move(tree), store));
    } else {
      CASTOOL_RETURN_IF_ERROR(mount(std::move(tree), store));
    }
    CASTOOL_ASSIGN(device_, first_listing(options_.directory));
    raise_read_ahead(device_);
    take_control();
    native_->probe();
    watching_ = std::jthread([this](std::stop_token stop) { follow(stop); });
    be_replaceable(store);
    return base::ok();
  }

  [[nodiscard]] const OpenCounts& opens() const { return opens_; }

  Status run(std::stop_token stop) override {
    const bool ended = session_->wait_ended(stop);
    control_socket_.reset();  // nobody takes it over any more
    if (ended) {
      session_->stop();
      return base::ok();
    }
    watching_ = {};
    finish();
    return base::ok();
  }

 private:
  void build(const base::UniqueFd& device, TreePtr tree, cas::Store& store) {
    native_.emplace(base::UniqueFd(::fcntl(device.get(), F_DUPFD_CLOEXEC, 0)), store, log_);
    fs_.emplace(std::move(tree),
                FileParts{blobs_, &*native_, filler_, &notifier_, &side_, &uses_, &opens_},
                ModelFs::Owner{options_.uid, options_.gid}, log_,
                OnDemand{options_.on_demand, options_.layout}, std::move(upper_));
    if (options_.finder != nullptr && !options_.on_demand.empty())
      lookups_.emplace(
          *options_.finder,
          [this](NodeId parent, const std::string& name) { return fs_->lookup(parent, name); },
          fs_->files().gate(), clock_);
  }

  [[nodiscard]] Session::Parts session_parts(const cas::Store& store) {
    return {*fs_, notifier_, log_, clock_, stack_depth_for(store), lookups_ ? &*lookups_ : nullptr};
  }

  Status mount(TreePtr tree, cas::Store& store) {
    CASTOOL_ASSIGN(base::UniqueFd device,
                   mount_device({options_.directory, options_.source_name, options_.allow_other}));
    build(device, std::move(tree), store);
    auto session = Session::serve(std::move(device), session_parts(store));
    if (session) {
      session_ = *std::move(session);
      return base::ok();
    }
    static_cast<void>(unmount_device(options_.directory, Detach::kLazy));
    return base::failure(std::move(session));
  }

  // Whatever fails before the other daemon has let go leaves the mount to it.
  Status take_over(dev_t mounted, TreePtr tree, cas::Store& store) {
    CASTOOL_ASSIGN(auto predecessor, Predecessor::ask(options_.control_directory, mounted));
    GivenMount& given = predecessor.given();
    CASTOOL_ASSIGN(HandoverState state, parse_handover(given.state, *tree, std::move(given.blobs)));
    build(given.device, std::move(tree), store);
    const ConnectionState connection = std::move(state.connection);
    auto session = Session::prepare(std::move(given.device), session_parts(store), connection);
    if (!session) return base::failure(std::move(session));
    fs_->take_over(std::move(state));
    native_->probe();
    if (Status taken = predecessor.take(); !taken) {
      native_->leave_to_another();
      return taken;
    }
    session_ = *std::move(session);
    log_.info("{}: taken over from another daemon", options_.directory);
    return session_->begin(connection);
  }

  void be_replaceable(cas::Store& store) {
    if (options_.control_directory.empty()) return;
    auto server =
        HandoverServer::listen(options_.control_directory, device_, *this, store.files(), log_);
    if (!server)
      return log_.info("it cannot be replaced while it is mounted: {}", server.error().text());
    control_socket_ = *std::move(server);
  }

  Result<GivenMount> pause() override {
    if (!session_->pause(std::chrono::steady_clock::now() + kPauseTime))
      return base::make_error(Code::kBusy, "files are just being opened");
    HandoverState state = fs_->hand_over();
    state.connection = session_->connection();
    GivenMount given{native_->connection(), to_bytes(state), {}};
    for (OpenNode& open : state.files) {
      if (open.blob) given.blobs.push_back(std::move(open.blob));
    }
    if (given.device) return given;
    session_->resume();
    return base::errno_error(EMFILE, "another descriptor of the mount");
  }

  void resume() override { session_->resume(); }

  void leave() override {
    handed_over_ = true;
    native_->leave_to_another();
    session_->leave();
    log_.info("{}: handed over to another daemon", options_.directory);
  }

  void take_control() {
    auto control = FuseControl::open(device_);
    const std::uint32_t known = control ? control->max_background().value_or(0) : 0;
    session_->set_max_background(known != 0 ? known : unprivileged_max_background());
    if (!control) return log_.debug("no way to end the connection: {}", control.error().text());
    const base::MutexLock lock(control_mutex_);
    control_ = *std::move(control);
  }

  // For when the kernel does not come back to us.
  void abort_connection() {
    const base::MutexLock lock(control_mutex_);
    if (control_) control_->abort();
  }

  // Whether what is mounted at the directory is this mount. The number of its device alone does not
  // say so: the kernel gives it away again as soon as we are unmounted.
  bool is_still_mounted() {
    if (handed_over_) return false;
    const auto mounted = current_mount_at(options_.directory);
    if (!mounted || !*mounted || (device_ != 0 && (*mounted)->device != device_)) return false;
    return !session_->is_disconnected() || is_without_daemon(options_.directory);
  }

  // Unmounts if the mount is still ours to unmount, and answers what came in before.
  void finish() {
    if (is_still_mounted()) {
      auto done = unmount_device(options_.directory, Detach::kWhenIdle);
      if (!done && done.error().code == Code::kBusy) {
        log_.warn("{}: files are still open; their readers get an error from now on",
                  options_.directory);
        done = unmount_device(options_.directory, Detach::kLazy);
      }
      if (!done) log_.error("{}", done.error().text());
    }
    session_->stop();
    session_.reset();
    native_.reset();  // the last descriptor of the connection
  }

  void follow(std::stop_token stop) {
    while (!stop.stop_requested()) {
      if (watch_->wait(kLook, stop)) refresh();
      uses_.write_to(refs_);
    }
  }

  void refresh() {
    auto records = refs_.list();
    if (!records) {
      log_.warn("cannot list the refs: {}", records.error().text());
      return;
    }
    const auto same = [](const cas::NamedRecord& a, const cas::NamedRecord& b) {
      return a.name == b.name && a.bytes == b.bytes;
    };
    if (std::equal(records->begin(), records->end(), records_.begin(), records_.end(), same))
      return;
    records_ = *std::move(records);
    const TreePtr previous = fs_->tree();
    fs_->replace(view_of(records_, previous.get()));
    if (lookups_) lookups_->tree_changed();
  }

  TreePtr view_of(const std::vector<cas::NamedRecord>& named, const Tree* previous) {
    std::vector<manifest::RefRecord> records;
    for (const cas::NamedRecord& ref : named) {
      auto record = manifest::parse_ref_record(ref.bytes);
      if (!record) {
        log_.warn("{} is not shown: {}", ref.name, record.error().text());
        continue;
      }
      records.push_back(*std::move(record));
    }
    View view = make_view(options_.layout, {records, previous, manifests_, options_.listed});
    for (const std::string& problem : view.problems) log_.warn("{}", problem);
    return std::move(view.tree);
  }

  const MountOptions options_;
  cas::RefStore& refs_;
  BlobFiller* const filler_;
  base::Clock& clock_;
  base::Log& log_;
  base::Mutex control_mutex_;
  std::optional<FuseControl> control_ CASTOOL_GUARDED_BY(control_mutex_);
  StoreBlobs blobs_;
  UseNotes uses_{clock_};
  OpenCounts opens_;
  std::shared_ptr<const StoreManifests> manifests_;
  dev_t device_ = 0;  // of the mount; 0 until it answered once
  std::unique_ptr<cas::RefWatch> watch_;
  std::vector<cas::NamedRecord> records_;  // of the watching thread once it runs
  std::optional<KernelFiles> native_;
  Notifier notifier_{clock_, log_, [this] { abort_connection(); }};
  SideThreads side_{kSideThreads};
  std::unique_ptr<Upper> upper_;  // until fs_ has it
  std::optional<ModelFs> fs_;
  std::optional<WaitingLookups> lookups_;
  std::unique_ptr<Session> session_;
  std::atomic<bool> handed_over_{false};
  std::unique_ptr<HandoverServer> control_socket_;
  std::jthread watching_;
};

}  // namespace

bool is_without_daemon(const std::string& directory) {
  // The kernel asks the daemon this each time, whatever it has in its caches.
  struct statvfs ignored {};
  if (::statvfs(directory.c_str(), &ignored) == 0) return false;
  // The second: it died while we asked (fuse_abort_conn).
  return errno == ENOTCONN || errno == ECONNABORTED;
}

Result<std::unique_ptr<Mount>> Mount::start(const MountOptions& options, cas::Store& store,
                                            cas::RefStore& refs, BlobFiller* filler,
                                            base::Clock& clock, base::Log& log) {
  MountOptions checked = options;
  CASTOOL_ASSIGN(checked.directory, check_directory(options, store));
  auto mount = std::make_unique<FuseMount>(std::move(checked), store, refs, filler, clock, log);
  CASTOOL_RETURN_IF_ERROR(mount->start(store));
  return std::unique_ptr<Mount>(std::move(mount));
}

const OpenCounts& open_counts(const Mount& mount) {
  return dynamic_cast<const FuseMount&>(mount).opens();
}

Status unmount(const std::string& directory, Detach detach) {
  const auto none = [&] {
    return base::make_error(Code::kNotFound,
                            fmt::format("nothing of castool is mounted at {}", directory));
  };
  const auto path = canonical_path(directory);
  if (!path) return none();
  CASTOOL_ASSIGN(const auto mounted, current_mount_at(*path));
  if (!mounted || mounted->type != kType) return none();
  return unmount_device(*path, detach);
}

}  // namespace castool::fusefs
