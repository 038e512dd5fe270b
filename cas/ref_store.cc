#include "cas/ref_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

#include "cas/layout.h"
#include "cas/read_file.h"
#include "cas/ref_lock.h"
#include "cas/ref_name.h"

namespace castool::cas {
namespace {

// A record is a few hundred bytes; a file beyond this was not written by us.
constexpr std::uint64_t kMaxRecord = 1 << 20;

std::string namespace_dir(const std::string& ns) { return std::string(kRefsDir) + "/" + ns; }

base::Status make_namespace(Store& store, const std::string& dir) {
  struct stat info = {};
  if (::fstatat(store.dir(), dir.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return base::ok();
  CASTOOL_RETURN_IF_ERROR(store.files().make_dir(store.dir(), dir, kDirectoryMode));
  return base::ok();
}

// As many records as are worth a thread of their own.
constexpr std::size_t kWorthAThread = 1000;

struct Slice {
  std::vector<NamedRecord> records;
  base::Status status = base::ok();
};

base::Status read_records(int dir, std::span<const std::string> files,
                          std::vector<NamedRecord>& records) {
  records.reserve(files.size());
  for (const std::string& file : files) {
    auto name = decode_ref_name(file);
    if (!name) continue;
    CASTOOL_ASSIGN(auto bytes, read_file_at(dir, file, kMaxRecord));
    // Removed since the listing.
    if (!bytes) continue;
    records.push_back({*std::move(name), *std::move(bytes)});
  }
  return base::ok();
}

// False when there can be no more threads.
template <class Work>
bool begin_thread(std::vector<std::jthread>& threads, const Work& work) {
  try {
    threads.emplace_back(work);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

base::Result<RefStore> RefStore::open(Store& store, const std::string& ns) {
  if (!is_namespace(ns)) {
    return base::make_error(base::Code::kUsage, "bad namespace \"" + ns + "\"",
                            "letters, digits, '_', '.' and '-', not starting with '.' or '-'");
  }
  return RefStore(store, ns);
}

base::Result<std::optional<std::string>> RefStore::get(const std::string& name) const {
  CASTOOL_ASSIGN(const std::string file, encode_ref_name(name));
  return read_file_at(store_->dir(), namespace_dir(ns_) + "/" + file, kMaxRecord);
}

base::Result<std::vector<NamedRecord>> RefStore::list(const Store& store, const std::string& ns) {
  const std::string dir = namespace_dir(ns);
  CASTOOL_ASSIGN(const auto open, open_for_reading(store.dir(), dir, O_DIRECTORY));
  if (!open) return std::vector<NamedRecord>();
  CASTOOL_ASSIGN(const auto files, list_dir(store.dir(), dir));
  // Small files cost their system calls: thousands of them are read beside each other.
  const std::size_t most = std::max(std::thread::hardware_concurrency(), 1u);
  const std::size_t workers = std::clamp<std::size_t>(files.size() / kWorthAThread, 1, most);
  std::vector<Slice> slices(workers);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < workers; ++i) {
      const std::size_t from = files.size() * i / workers;
      const std::size_t to = files.size() * (i + 1) / workers;
      const auto read = [&, part = std::span(files).subspan(from, to - from), &slice = slices[i]] {
        slice.status = read_records(open->get(), part, slice.records);
      };
      if (i + 1 == workers || !begin_thread(threads, read)) read();
    }
  }
  std::vector<NamedRecord> records;
  records.reserve(files.size());
  for (Slice& slice : slices) {
    CASTOOL_RETURN_IF_ERROR(std::move(slice.status));
    std::ranges::move(slice.records, std::back_inserter(records));
  }
  std::ranges::sort(records, {}, &NamedRecord::name);
  return records;
}

base::Status RefStore::put(const std::string& name, const std::string& bytes,
                           const std::stop_token& stop) {
  CASTOOL_RETURN_IF_ERROR(store_->require_writable());
  CASTOOL_ASSIGN(const std::string file, encode_ref_name(name));
  CASTOOL_ASSIGN(const base::UniqueFd lock, lock_refs(*store_, stop));
  return put_locked(file, bytes);
}

base::Result<bool> RefStore::replace_if(const std::string& name, const std::string& expected,
                                        const std::string& bytes, const std::stop_token& stop) {
  CASTOOL_RETURN_IF_ERROR(store_->require_writable());
  CASTOOL_ASSIGN(const std::string file, encode_ref_name(name));
  CASTOOL_ASSIGN(const base::UniqueFd lock, lock_refs(*store_, stop));
  CASTOOL_ASSIGN(const auto now, get(name));
  if (now != expected) return false;
  CASTOOL_RETURN_IF_ERROR(put_locked(file, bytes));
  return true;
}

base::Status RefStore::put_locked(const std::string& file, const std::string& bytes) {
  base::FileOps& files = store_->files();
  const int root = store_->dir();
  const std::string dir = namespace_dir(ns_);
  const std::string tmp = unique_tmp_path();
  CASTOOL_RETURN_IF_ERROR(make_namespace(*store_, dir));
  CASTOOL_ASSIGN(const base::UniqueFd fd,
                 files.open(root, tmp, O_WRONLY | O_CREAT | O_EXCL, kWorkMode));
  base::Status status = files.write_at(fd.get(), 0, std::as_bytes(std::span(bytes)));
  if (status) status = files.sync(fd.get());
  if (status) status = files.rename(root, tmp, root, dir + "/" + file, base::IfExists::kReplace);
  if (!status) {
    (void)files.unlink(root, tmp);
    return status;
  }
  CASTOOL_RETURN_IF_ERROR(files.sync_dir(root, dir));
  // Whoever made the namespace's directory may not have come to syncing its name.
  return files.sync_dir(root, kRefsDir);
}

base::Status RefStore::remove(const std::string& name, const std::stop_token& stop) {
  CASTOOL_RETURN_IF_ERROR(store_->require_writable());
  CASTOOL_ASSIGN(const std::string file, encode_ref_name(name));
  CASTOOL_ASSIGN(const base::UniqueFd lock, lock_refs(*store_, stop));
  return remove_locked(name, file);
}

base::Result<bool> RefStore::remove_if(const std::string& name, const std::string& expected,
                                       const std::stop_token& stop) {
  CASTOOL_RETURN_IF_ERROR(store_->require_writable());
  CASTOOL_ASSIGN(const std::string file, encode_ref_name(name));
  CASTOOL_ASSIGN(const base::UniqueFd lock, lock_refs(*store_, stop));
  CASTOOL_ASSIGN(const auto now, get(name));
  if (now != expected) return false;
  CASTOOL_RETURN_IF_ERROR(remove_locked(name, file));
  return true;
}

base::Status RefStore::copy(
    const std::string& from, const std::string& to,
    const std::function<base::Result<std::string>(const std::string&)>& make,
    const std::stop_token& stop) {
  CASTOOL_RETURN_IF_ERROR(store_->require_writable());
  CASTOOL_ASSIGN(const std::string file, encode_ref_name(to));
  CASTOOL_ASSIGN(const base::UniqueFd lock, lock_refs(*store_, stop));
  CASTOOL_ASSIGN(const auto record, get(from));
  if (!record) return base::make_error(base::Code::kNotFound, "there is no model named " + from);
  CASTOOL_ASSIGN(const std::string bytes, make(*record));
  return put_locked(file, bytes);
}

base::Status RefStore::remove_locked(const std::string& name, const std::string& file) {
  const std::string dir = namespace_dir(ns_);
  base::Status removed = store_->files().unlink(store_->dir(), dir + "/" + file);
  if (!removed) {
    if (removed.error().sys_errno != ENOENT) return removed;
    return base::make_error(base::Code::kNotFound, "there is no model named " + name);
  }
  return store_->files().sync_dir(store_->dir(), dir);
}

base::Result<std::vector<std::string>> RefStore::namespaces(const Store& store) {
  CASTOOL_ASSIGN(auto names, list_dir(store.dir(), kRefsDir));
  std::erase_if(names, [](const std::string& name) { return !is_namespace(name); });
  std::ranges::sort(names);
  return names;
}

}  // namespace castool::cas
