#include "cas/sweep.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "cas/chunk_table.h"
#include "cas/layout.h"
#include "cas/ofd_lock.h"
#include "cas/partial.h"
#include "cas/read_file.h"
#include "cas/table_file.h"

namespace castool::cas {
namespace {

// Removing a file this large takes the file system long enough to matter to those who wait.
constexpr std::uint64_t kLarge = 64 << 20;

std::string below(const char* dir, const std::string& name) {
  return std::string(dir) + "/" + name;
}

base::Status unless_missing(base::Status status) {
  if (!status && status.error().sys_errno == ENOENT) return base::ok();
  return status;
}

}  // namespace

base::Result<std::vector<StoredBlob>> list_blobs(const Store& store) {
  std::vector<StoredBlob> blobs;
  CASTOOL_ASSIGN(const auto fans, list_dir(store.dir(), kBlobsDir));
  for (const std::string& fan : fans) {
    const std::string dir = below(kBlobsDir, fan);
    CASTOOL_ASSIGN(const auto fd, open_for_reading(store.dir(), dir, O_DIRECTORY));
    if (!fd) continue;
    CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), dir));
    for (const std::string& name : names) {
      const auto digest = base::Digest::parse_hex(name);
      if (!digest) continue;
      CASTOOL_ASSIGN(const auto info, stat_at(fd->get(), name));
      if (info && S_ISREG(info->st_mode)) {
        blobs.push_back({*digest, static_cast<std::uint64_t>(info->st_size)});
      }
    }
  }
  return blobs;
}

bool is_open(const Store& store, const base::Digest& digest) {
  const auto fd = open_for_reading(store.dir(), blob_path(digest));
  if (!fd || !*fd) return false;
  // Whoever opens it at this very moment waits until the lease is given back, and we get a signal:
  // one that does nothing unless somebody wants it.
  if (::fcntl((*fd)->get(), F_SETSIG, SIGURG) != 0) return false;
  if (::fcntl((*fd)->get(), F_SETLEASE, F_WRLCK) != 0) return errno == EAGAIN;
  (void)::fcntl((*fd)->get(), F_SETLEASE, F_UNLCK);
  return false;
}

base::Status remove_blob(Store& store, const StoredBlob& blob, std::vector<std::string>& large) {
  base::FileOps& files = store.files();
  const int root = store.dir();
  if (blob.size >= kLarge) {
    const std::string tmp = unique_tmp_path();
    CASTOOL_RETURN_IF_ERROR(unless_missing(
        files.rename(root, blob_path(blob.digest), root, tmp, base::IfExists::kFail)));
    large.push_back(tmp);
  } else {
    CASTOOL_RETURN_IF_ERROR(unless_missing(files.unlink(root, blob_path(blob.digest))));
  }
  if (blob.size <= kChunkSize) return base::ok();
  CASTOOL_RETURN_IF_ERROR(unless_missing(files.unlink(root, sums_path(blob.digest))));
  return unless_missing(files.unlink(root, stamp_path(blob.digest)));
}

void free_removed(Store& store, const std::vector<std::string>& large) {
  // What stays is cleared with the other leftovers of tmp/.
  for (const std::string& path : large) (void)store.files().unlink(store.dir(), path);
}

base::Result<std::vector<PartialEntry>> list_partial_entries(const Store& store) {
  std::vector<PartialEntry> entries;
  CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), kPartialsDir));
  for (const std::string& name : names) {
    PartialEntry entry;
    entry.file = name;
    const std::string dir = below(kPartialsDir, name);
    for (const char* part : {kDataFile, kTableFile}) {
      CASTOOL_ASSIGN(const auto info, stat_at(store.dir(), dir + "/" + part));
      if (!info) continue;
      entry.bytes += static_cast<std::uint64_t>(info->st_blocks) * 512;
      entry.written_at = std::max<std::int64_t>(entry.written_at, info->st_mtim.tv_sec);
    }
    CASTOOL_ASSIGN(auto fd, open_for_reading(store.dir(), dir + "/" + kTableFile));
    if (fd) {
      CASTOOL_ASSIGN(const auto holder, find_conflict(fd->get(), {kHolderLock, 1}));
      entry.held = holder.has_value();
      const TableFile table(*std::move(fd), store.files());
      CASTOOL_ASSIGN(const auto header, table.read_header());
      if (header) {
        entry.digest = header->digest;
        entry.origin = header->origin;
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

base::Result<bool> remove_partial(Store& store, const std::string& file) {
  base::FileOps& files = store.files();
  const std::string dir = below(kPartialsDir, file);
  auto opened = files.open(store.dir(), dir + "/" + kTableFile, O_RDWR);
  if (!opened && opened.error().sys_errno != ENOENT) return base::failure(opened);
  std::optional<TableFile> table;
  if (opened) {
    table.emplace(*std::move(opened), files);
    CASTOOL_ASSIGN(const bool alone, table->lock_as_holder(LockKind::kExclusive));
    if (!alone || !table->linked()) return false;
  }
  // In this order: without a table it is garbage to everybody, without data nobody uses it.
  CASTOOL_RETURN_IF_ERROR(unless_missing(files.unlink(store.dir(), dir + "/" + kDataFile)));
  CASTOOL_RETURN_IF_ERROR(unless_missing(files.unlink(store.dir(), dir + "/" + kTableFile)));
  CASTOOL_RETURN_IF_ERROR(unless_missing(files.remove_dir(store.dir(), dir)));
  return true;
}

base::Result<std::vector<QuarantinedFile>> list_quarantine(const Store& store,
                                                           std::int64_t before) {
  std::vector<QuarantinedFile> found;
  CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), kQuarantineDir));
  for (const std::string& name : names) {
    CASTOOL_ASSIGN(const auto info, stat_at(store.dir(), below(kQuarantineDir, name)));
    // Renaming a file there changed its inode.
    if (!info || !S_ISREG(info->st_mode) || info->st_ctim.tv_sec >= before) continue;
    found.push_back({name, static_cast<std::uint64_t>(info->st_size)});
  }
  return found;
}

base::Status remove_quarantined(Store& store, const std::string& file) {
  return unless_missing(store.files().unlink(store.dir(), below(kQuarantineDir, file)));
}

}  // namespace castool::cas
