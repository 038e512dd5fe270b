#include "cas/lease.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "cas/gc_locks.h"
#include "cas/layout.h"
#include "cas/ofd_lock.h"
#include "cas/read_file.h"

namespace castool::cas {
namespace {

constexpr base::ByteRange kOwner{0, 1};

// nullopt: its owner is gone.
base::Result<std::optional<std::string>> read_live(const Store& store, const std::string& path) {
  CASTOOL_ASSIGN(const auto fd, open_for_reading(store.dir(), path));
  if (!fd) return std::optional<std::string>();
  CASTOOL_ASSIGN(const auto owner, find_conflict(fd->get(), kOwner));
  if (!owner) return std::optional<std::string>();
  struct stat info = {};
  if (::fstat(fd->get(), &info) != 0) return base::errno_error(errno, "stat " + path);
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  CASTOOL_ASSIGN(const std::size_t got,
                 read_at(fd->get(), 0, std::as_writable_bytes(std::span(bytes))));
  bytes.resize(got);
  return std::optional(std::move(bytes));
}

}  // namespace

base::Result<std::shared_ptr<Lease>> Lease::take(Store& store, std::stop_token stop) {
  CASTOOL_RETURN_IF_ERROR(store.require_writable());
  // gc takes a lease that nobody has locked for a dead one's.
  CASTOOL_ASSIGN(const base::UniqueFd turn, lock_leases(store, Sweeping::kNo, stop));
  const std::string path = unique_lease_path();
  CASTOOL_ASSIGN(base::UniqueFd fd,
                 store.files().open(store.dir(), path, O_RDWR | O_CREAT | O_EXCL, kWorkMode));
  CASTOOL_RETURN_IF_ERROR(try_lock(fd.get(), kOwner, LockKind::kExclusive));
  const std::shared_ptr<Lease> lease(new Lease(store, path, std::move(fd)));
  store.enlist(lease);
  return lease;
}

Lease::Lease(Store& store, std::string path, base::UniqueFd fd)
    : store_(store), path_(std::move(path)), fd_(std::move(fd)) {}

Lease::~Lease() { (void)store_.files().unlink(store_.dir(), path_); }

base::Status Lease::add(std::span<const base::Digest> digests, std::stop_token stop) {
  std::vector<std::byte> bytes;
  bytes.reserve(digests.size() * base::Digest::kSize);
  for (const base::Digest& digest : digests) {
    const auto part = std::as_bytes(std::span(digest.bytes()));
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  CASTOOL_ASSIGN(const base::UniqueFd turn, lock_leases(store_, Sweeping::kNo, stop));
  const std::uint64_t at = end_.fetch_add(bytes.size());
  return store_.files().write_at(fd_.get(), at, bytes);
}

base::Result<std::vector<base::Digest>> leased_digests(const Store& store, Clean clean) {
  std::vector<base::Digest> digests;
  CASTOOL_ASSIGN(const auto names, list_dir(store.dir(), kLeasesDir));
  for (const std::string& name : names) {
    if (name.starts_with('.')) continue;
    const std::string path = std::string(kLeasesDir) + "/" + name;
    CASTOOL_ASSIGN(const auto bytes, read_live(store, path));
    if (!bytes) {
      if (clean == Clean::kYes) (void)store.files().unlink(store.dir(), path);
      continue;
    }
    for (std::size_t at = 0; at + base::Digest::kSize <= bytes->size(); at += base::Digest::kSize) {
      base::Digest::Bytes one{};
      std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(at), one.size(), one.begin());
      digests.emplace_back(one);
    }
  }
  return digests;
}

}  // namespace castool::cas
