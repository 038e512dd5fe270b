#include "cas/store_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "cas/chunk_table.h"
#include "cas/layout.h"
#include "cas/ofd_lock.h"
#include "cas/read_file.h"

namespace castool::cas {
namespace {

using base::Code;

constexpr std::array kDirectories = {"blobs",  kBlobsDir,   "sums",         kSumsDir, kPartialsDir,
                                     kRefsDir, kAliasesDir, kQuarantineDir, kTmpDir,  kLeasesDir};

std::string writable_hint(const std::string& root) {
  return "make " + root + " writable, or name another store with --store DIR or CASTOOL_STORE";
}

base::Error refused(const std::string& root, const std::string& why, const std::string& hint) {
  return base::make_error(Code::kStoreRefused, "store " + root + ": " + why, hint);
}

// Says which store and what to do when the file system refuses to be written.
base::Error explain(base::Error error, const std::string& root) {
  if (error.code == Code::kStoreRefused && error.hint.empty()) error.hint = writable_hint(root);
  return std::move(error).in("store " + root);
}

// Follows a symbolic link, which is how people put a store on another disk.
base::Result<base::UniqueFd> open_root(const std::string& root) {
  base::UniqueFd fd;
  do {
    fd.reset(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  } while (!fd && errno == EINTR);
  if (fd) return fd;
  const int saved = errno;
  if (saved == ENOENT) {
    return base::make_error(Code::kNotFound, "there is no store at " + root,
                            "pull a model first, or name the store with --store DIR");
  }
  if (saved == ENOTDIR)
    return refused(root, "not a directory", "name a directory with --store DIR");
  return explain(base::errno_error(saved, "open"), root);
}

base::Status make_parents(const std::string& root, base::FileOps& files) {
  constexpr mode_t kParentMode = 0755;
  for (std::size_t slash = root.find('/', 1); slash != std::string::npos;
       slash = root.find('/', slash + 1)) {
    const std::string parent = root.substr(0, slash);
    if (::access(parent.c_str(), F_OK) == 0) continue;
    CASTOOL_RETURN_IF_ERROR(files.make_dir(AT_FDCWD, parent, kParentMode));
  }
  if (::access(root.c_str(), F_OK) == 0) return base::ok();
  return files.make_dir(AT_FDCWD, root, kDirectoryMode);
}

enum class Format { kMissing, kOurs };

base::Result<Format> read_format(int dir, const std::string& root) {
  auto text = read_file_at(dir, kFormatFile, 64);
  if (!text) return explain(std::move(text).error(), root);
  if (!*text) return Format::kMissing;
  std::string_view digits = **text;
  int version = 0;
  const bool line = digits.ends_with('\n');
  if (line) digits.remove_suffix(1);
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), version);
  if (!line || error != std::errc() || end != digits.end() || version < 1) {
    return refused(root, "its format file is damaged",
                   "it should hold the line " + std::to_string(kFormatVersion));
  }
  if (version > kFormatVersion) {
    return refused(root,
                   "has format " + std::to_string(version) + ", and this castool knows only " +
                       std::to_string(kFormatVersion),
                   "use a newer castool");
  }
  return Format::kOurs;
}

base::Status check_safe(int dir, const std::string& root) {
  struct stat info = {};
  if (::fstat(dir, &info) != 0) return explain(base::errno_error(errno, "stat"), root);
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refused(root, "group or others may write to it", "chmod go-w " + root);
  }
  return base::ok();
}

// A directory with other things in it is more likely a slip of the user than a place for a store. A
// format file came since nobody found one: another process has made the store meanwhile.
base::Status check_only_ours(int dir, const std::string& root) {
  CASTOOL_ASSIGN(const auto names, list_dir(dir, "."));
  for (const std::string& name : names) {
    const bool known = std::ranges::any_of(kDirectories, [&](std::string_view directory) {
      return directory.substr(0, directory.find('/')) == name;
    });
    if (!known && name != kFormatFile && name != "lost+found") {
      return refused(root, "is neither empty nor a store (it holds \"" + name + "\")",
                     "name another directory with --store DIR");
    }
  }
  return base::ok();
}

base::Status write_format(int dir, base::FileOps& files) {
  const std::string tmp = unique_tmp_path();
  const std::string text = std::to_string(kFormatVersion) + "\n";
  CASTOOL_ASSIGN(const base::UniqueFd fd,
                 files.open(dir, tmp, O_WRONLY | O_CREAT | O_EXCL, kWorkMode));
  base::Status status = files.write_at(fd.get(), 0, std::as_bytes(std::span(text)));
  if (status) status = files.sync(fd.get());
  if (status) status = files.rename(dir, tmp, dir, kFormatFile, base::IfExists::kFail);
  if (!status) {
    (void)files.unlink(dir, tmp);
    if (status.error().sys_errno != EEXIST) return status;
  }
  return files.sync_dir(dir, ".");
}

base::Status make_store(int dir, const std::string& root, base::FileOps& files) {
  CASTOOL_RETURN_IF_ERROR(check_only_ours(dir, root));
  CASTOOL_RETURN_IF_ERROR(files.chmod(dir, kDirectoryMode));
  for (const char* name : kDirectories) {
    CASTOOL_RETURN_IF_ERROR(files.make_dir(dir, name, kDirectoryMode));
  }
  // All at once and durable, so that publishing a blob never has to sync a new parent directory.
  for (int i = 0; i < 256; ++i) {
    const auto byte = static_cast<std::uint8_t>(i);
    CASTOOL_RETURN_IF_ERROR(
        files.make_dir(dir, std::string(kBlobsDir) + "/" + base::to_hex(&byte, 1), kDirectoryMode));
  }
  for (const char* name : {kBlobsDir, "blobs", "."}) {
    CASTOOL_RETURN_IF_ERROR(files.sync_dir(dir, name));
  }
  return write_format(dir, files);
}

// Where a leftover of tmp/ is locked while somebody works on it.
bool in_use(int store_dir, const std::string& path, const base::ByteRange& bytes) {
  const auto fd = open_for_reading(store_dir, path);
  if (!fd) return true;    // nobody knows
  if (!*fd) return false;  // gone already
  const auto conflict = find_conflict((*fd)->get(), bytes);
  return !conflict || *conflict;
}

bool older_than_a_day(const struct stat& info, base::Clock& clock) {
  const auto now = std::chrono::system_clock::to_time_t(clock.wall_now());
  return now - info.st_mtim.tv_sec > 24 * 60 * 60;
}

}  // namespace

base::Result<base::UniqueFd> open_store_dir(const std::string& root, Access access,
                                            base::FileOps& files) {
  if (access == Access::kWrite) {
    const base::Status made = make_parents(root, files);
    if (!made) return explain(made.error(), root);
  }
  CASTOOL_ASSIGN(base::UniqueFd dir, open_root(root));
  CASTOOL_RETURN_IF_ERROR(check_safe(dir.get(), root));
  CASTOOL_ASSIGN(const Format format, read_format(dir.get(), root));
  if (access == Access::kRead) {
    if (format == Format::kOurs) return dir;
    return base::make_error(Code::kNotFound, "there is no store at " + root,
                            "pull a model first, or name the store with --store DIR");
  }
  if (format == Format::kMissing) {
    const base::Status made = make_store(dir.get(), root, files);
    if (!made) return explain(made.error(), root);
  }
  // Told now, in one clear line, rather than in the middle of a pull.
  if (::faccessat(dir.get(), kTmpDir, W_OK | X_OK, AT_EACCESS) != 0) {
    const int saved = errno;
    return explain(base::errno_error(saved, "write"), root);
  }
  return dir;
}

void clear_tmp(int store_dir, base::FileOps& files, base::Clock& clock, base::Log& log) {
  const auto names = list_dir(store_dir, kTmpDir);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string path = std::string(kTmpDir) + "/" + name;
    struct stat info = {};
    if (::fstatat(store_dir, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!older_than_a_day(info, clock)) continue;
    // The wall clock may be wrong; a lock is not.
    if (S_ISDIR(info.st_mode)) {
      const std::string table = path + "/" + kTableFile;
      if (in_use(store_dir, table, {kHolderLock, 1})) continue;
      (void)files.unlink(store_dir, path + "/" + kDataFile);
      (void)files.unlink(store_dir, table);
      (void)files.remove_dir(store_dir, path);
    } else {
      if (in_use(store_dir, path, {0, 1})) continue;
      (void)files.unlink(store_dir, path);
    }
    log.debug("removed the leftover {}", path);
  }
}

}  // namespace castool::cas
