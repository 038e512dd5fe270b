#include "cas/store.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "base/mutex.h"
#include "cas/layout.h"
#include "cas/lease.h"
#include "cas/read_file.h"
#include "cas/stamp.h"
#include "cas/store_dir.h"

namespace castool::cas {
namespace {

std::string short_name(const base::Digest& digest) { return "blob " + digest.text(); }

// Adds the regular files of a directory; `bytes` tells what one of them counts.
template <class Bytes>
base::Status add_up(int dir, const std::string& path, std::uint64_t& count, std::uint64_t& sum,
                    Bytes bytes) {
  CASTOOL_ASSIGN(const auto names, list_dir(dir, path));
  for (const std::string& name : names) {
    CASTOOL_ASSIGN(const auto info, stat_at(dir, path + "/" + name));
    if (!info || !S_ISREG(info->st_mode)) continue;  // gone since the listing
    ++count;
    sum += bytes(*info);
  }
  return base::ok();
}

}  // namespace

struct Store::State {
  std::string root;
  Access access;
  base::UniqueFd dir;
  base::FileOps& files;
  base::Clock& clock;
  base::Log& log;
  base::Mutex mutex;
  std::vector<std::weak_ptr<Lease>> leases CASTOOL_GUARDED_BY(mutex);
};

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

base::Result<std::unique_ptr<Store>> Store::open(const std::string& root, Access access,
                                                 base::FileOps& files, base::Clock& clock,
                                                 base::Log& log) {
  CASTOOL_ASSIGN(base::UniqueFd dir, open_store_dir(root, access, files));
  if (access == Access::kWrite) clear_tmp(dir.get(), files, clock, log);
  return std::unique_ptr<Store>(new Store(
      std::unique_ptr<State>(new State{root, access, std::move(dir), files, clock, log, {}, {}})));
}

const std::string& Store::root() const { return state_->root; }
int Store::dir() const { return state_->dir.get(); }
base::FileOps& Store::files() const { return state_->files; }
base::Clock& Store::clock() const { return state_->clock; }
base::Log& Store::log() const { return state_->log; }

base::Status Store::require_writable() const {
  if (state_->access == Access::kWrite) return base::ok();
  return base::make_error(base::Code::kStoreRefused,
                          "store " + root() + " was opened for reading only");
}

base::Result<std::optional<Blob>> Store::find(const base::Digest& digest) const {
  auto fd = open_for_reading(dir(), blob_path(digest));
  if (!fd) return std::move(fd).error().in(short_name(digest));
  if (!*fd) return std::optional<Blob>();
  struct stat info = {};
  if (::fstat((*fd)->get(), &info) != 0) {
    const int saved = errno;
    return base::errno_error(saved, short_name(digest));
  }
  return std::optional(Blob{digest, static_cast<std::uint64_t>(info.st_size), **std::move(fd)});
}

base::Result<std::optional<std::uint64_t>> Store::size_of(const base::Digest& digest) const {
  CASTOOL_ASSIGN(const auto info, stat_at(dir(), blob_path(digest)));
  if (!info) return std::optional<std::uint64_t>();
  return std::optional(static_cast<std::uint64_t>(info->st_size));
}

bool Store::verified_this_boot(const base::Digest& digest, int fd) const {
  return has_stamp(dir(), digest, fd);
}

base::Result<std::string> Store::read_small(const base::Digest& digest, std::uint64_t limit) const {
  auto text = read_file_at(dir(), blob_path(digest), limit);
  if (!text) return std::move(text).error().in(short_name(digest));
  if (!*text) return base::make_error(base::Code::kNotFound, short_name(digest) + " is not stored");
  if (base::Sha256::of(**text) != digest) {
    base::Error error = base::make_error(base::Code::kDigestMismatch,
                                         short_name(digest) + " is damaged in the store",
                                         "run castool fsck --repair");
    error.digest = digest.text();
    return error;
  }
  return **std::move(text);
}

base::Result<base::Digest> Store::put(std::string_view bytes, std::stop_token stop) {
  CASTOOL_ASSIGN(Ingest ingest, begin_ingest());
  CASTOOL_RETURN_IF_ERROR(ingest.append(std::as_bytes(std::span(bytes))));
  return ingest.commit(std::move(stop));
}

void Store::enlist(const std::shared_ptr<Lease>& lease) {
  const base::MutexLock lock(state_->mutex);
  std::erase_if(state_->leases, [](const auto& known) { return known.expired(); });
  state_->leases.push_back(lease);
}

base::Status Store::add_to_leases(const base::Digest& digest, const std::stop_token& stop) {
  std::vector<std::shared_ptr<Lease>> live;
  {
    const base::MutexLock lock(state_->mutex);
    for (const auto& known : state_->leases) {
      if (auto lease = known.lock()) live.push_back(std::move(lease));
    }
  }
  for (const auto& lease : live) CASTOOL_RETURN_IF_ERROR(lease->add({&digest, 1}, stop));
  return base::ok();
}

base::Result<StoreUsage> Store::usage() const {
  StoreUsage usage;
  CASTOOL_ASSIGN(const auto fans, list_dir(dir(), kBlobsDir));
  for (const std::string& fan : fans) {
    CASTOOL_RETURN_IF_ERROR(
        add_up(dir(), std::string(kBlobsDir) + "/" + fan, usage.blobs, usage.stored_bytes,
               [](const struct stat& info) { return static_cast<std::uint64_t>(info.st_size); }));
  }
  CASTOOL_ASSIGN(const auto partials, list_dir(dir(), kPartialsDir));
  std::uint64_t files = 0;
  for (const std::string& partial : partials) {
    CASTOOL_RETURN_IF_ERROR(add_up(
        dir(), std::string(kPartialsDir) + "/" + partial, files, usage.partial_bytes,
        [](const struct stat& info) { return static_cast<std::uint64_t>(info.st_blocks) * 512; }));
  }
  CASTOOL_ASSIGN(usage.free_bytes, free_bytes());
  return usage;
}

base::Result<std::uint64_t> Store::free_bytes() const {
  struct statvfs space = {};
  if (::fstatvfs(dir(), &space) != 0) {
    const int saved = errno;
    return base::errno_error(saved, "store " + root());
  }
  return static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
}

base::Error explain_no_space(base::Error error, const Store& store, std::uint64_t wanted) {
  if (error.code != base::Code::kNoSpace) return error;
  const auto free = store.free_bytes();
  if (free) {
    error.message = std::to_string(wanted) + " more bytes are needed and " + std::to_string(*free) +
                    " are free at " + store.root();
  }
  return error;
}

}  // namespace castool::cas
