#include "fusefs/upper.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <ctime>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "cas/read_file.h"

namespace castool::fusefs {
namespace {

using base::Code;
using base::Status;

constexpr std::string_view kPrefix = "graph.pbtxt.";
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;

std::string file_name(const std::string& place, const base::Digest& covered) {
  return fmt::format("{}/{}{}", place, kPrefix, covered.hex());
}

// No event tells that another process let go of a lock.
base::Result<bool> lock(int fd, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::errno_error(errno, "flock");
    const auto now = std::chrono::steady_clock::now();
    if (now >= end) return false;
    base::Mutex mutex;
    base::CondVar nobody;
    const base::MutexLock held(mutex);
    nobody.wait_until(mutex, now + std::chrono::milliseconds(20));
  }
  return true;
}

base::Error too_large(std::string_view what) {
  return base::make_error(Code::kNoSpace, fmt::format("graph.pbtxt: {}", what));
}

}  // namespace

base::Result<std::unique_ptr<Upper>> Upper::open(
    const std::string& directory, base::FileOps& files, base::Log& log,
    std::optional<std::chrono::milliseconds> patience) {
  namespace fs = std::filesystem;
  auto upper = std::make_unique<Upper>();
  upper->files_ = &files;
  CASTOOL_RETURN_IF_ERROR(files.make_dir(AT_FDCWD, directory, kDirectoryMode));
  CASTOOL_ASSIGN(upper->directory_, files.open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY));
  CASTOOL_ASSIGN(const bool locked,
                 lock(upper->directory_.get(), patience.value_or(std::chrono::milliseconds(0))));
  if (!locked && patience)
    return base::make_error(Code::kBusy, directory + " is the upper directory of another mount");
  std::error_code failed;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator it(directory, options, failed), end; !failed && it != end;
       it.increment(failed)) {
    std::error_code unknown;
    const bool regular = !it->is_symlink(unknown) && it->is_regular_file(unknown);
    if (!unknown && regular)
      upper->take_in(fs::path(it->path()).lexically_relative(directory), log);
  }
  if (failed) return base::errno_error(failed.value(), directory);
  return upper;
}

// What has another name than put() gives is none of ours.
void Upper::take_in(const std::filesystem::path& file, base::Log& log) {
  const std::string name = file.filename().string();
  if (!name.starts_with(kPrefix)) return;
  const auto covered = base::Digest::parse_hex(std::string_view(name).substr(kPrefix.size()));
  if (!covered) return;
  const auto text = cas::read_file_at(directory_.get(), file.string(), kMaxText);
  struct stat attr {};
  const bool stated = ::fstatat(directory_.get(), file.c_str(), &attr, AT_SYMLINK_NOFOLLOW) == 0;
  const base::MutexLock lock(mutex_);
  if (!text || !*text || !stated || total_ + (*text)->size() > kMaxTotal) {
    log.warn("{} of the upper directory is left out", file.string());
    return;
  }
  Entry entry{*covered, {std::make_shared<const std::string>(**text), attr.st_mtim.tv_sec}};
  const auto [at, fresh] = covers_.try_emplace(file.parent_path().string(), entry);
  // A crash between writing a cover and removing the one before it leaves two.
  if (!fresh && at->second.cover.mtime >= entry.cover.mtime) return;
  if (!fresh) total_ -= at->second.cover.text->size();
  total_ += entry.cover.text->size();
  at->second = std::move(entry);
}

std::vector<Upper::Placed> Upper::all() const {
  std::vector<Placed> covers;
  const base::MutexLock lock(mutex_);
  for (const auto& [place, entry] : covers_) covers.push_back({place, entry.covered, entry.cover});
  return covers;
}

void Upper::adopt(std::vector<Placed> covers) {
  const base::MutexLock lock(mutex_);
  for (Placed& placed : covers) {
    Entry& entry = covers_[placed.place];
    if (entry.cover.text) total_ -= entry.cover.text->size();
    entry = {placed.covered, std::move(placed.cover)};
    total_ += entry.cover.text->size();
  }
}

std::optional<Upper::Cover> Upper::find(const std::string& place,
                                        const base::Digest& covered) const {
  const base::MutexLock lock(mutex_);
  const auto found = covers_.find(place);
  if (found == covers_.end() || found->second.covered != covered) return std::nullopt;
  return found->second.cover;
}

Status Upper::put(const std::string& place, const base::Digest& covered, std::string text) {
  if (text.size() > kMaxText) return too_large("it may have at most 1 MiB");
  {
    const base::MutexLock lock(mutex_);
    const auto before = covers_.find(place);
    const std::size_t freed = before == covers_.end() ? 0 : before->second.cover.text->size();
    if (total_ - freed + text.size() > kMaxTotal)
      return too_large("the files that were written over take 64 MiB already");
  }
  if (files_ != nullptr) CASTOOL_RETURN_IF_ERROR(write(place, covered, text));
  Entry entry{covered, {std::make_shared<const std::string>(std::move(text)), std::time(nullptr)}};
  std::optional<base::Digest> stale;
  {
    const base::MutexLock lock(mutex_);
    const auto [at, fresh] = covers_.try_emplace(place, entry);
    if (!fresh) {
      total_ -= at->second.cover.text->size();
      if (at->second.covered != covered) stale = at->second.covered;
    }
    total_ += entry.cover.text->size();
    at->second = std::move(entry);
  }
  // It covers nothing any more; if it stays, the next mount takes the newer one.
  if (stale && files_ != nullptr)
    static_cast<void>(files_->unlink(directory_.get(), file_name(place, *stale)));
  return base::ok();
}

Status Upper::write(const std::string& place, const base::Digest& covered,
                    const std::string& text) {
  const int top = directory_.get();
  for (std::size_t slash = place.find('/');; slash = place.find('/', slash + 1)) {
    CASTOOL_RETURN_IF_ERROR(files_->make_dir(top, place.substr(0, slash), kDirectoryMode));
    if (slash == std::string::npos) break;
  }
  std::string temporary;
  {
    const base::MutexLock lock(mutex_);
    temporary = fmt::format("{}/.graph.pbtxt.{}", place, ++last_name_);
  }
  CASTOOL_ASSIGN(const base::UniqueFd file,
                 files_->open(top, temporary, O_WRONLY | O_CREAT | O_TRUNC, kFileMode));
  Status done = files_->write_at(file.get(), 0, std::as_bytes(std::span(text)));
  if (done) done = files_->sync(file.get());
  if (done)
    done = files_->rename(top, temporary, top, file_name(place, covered), base::IfExists::kReplace);
  if (!done) {
    static_cast<void>(files_->unlink(top, temporary));
    return done;
  }
  return files_->sync_dir(top, place);
}

}  // namespace castool::fusefs
