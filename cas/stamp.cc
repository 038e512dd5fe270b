#include "cas/stamp.h"

#include <cerrno>
#include <span>

#include <fmt/format.h>

#include "cas/layout.h"
#include "cas/partial.h"
#include "cas/read_file.h"
#include "cas/table_file.h"

namespace castool::cas {
namespace {

constexpr std::uint64_t kMaxStamp = 512;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::string boot_text() {
  const BootId boot = current_boot_id();
  return base::to_hex(reinterpret_cast<const std::uint8_t*>(boot.data()), boot.size());
}

bool is_stamped_kind(const struct stat& file) {
  return static_cast<std::uint64_t>(file.st_size) > kChunkSize;
}

}  // namespace

std::string stamp_text(const std::string& boot_id, const struct stat& file) {
  return fmt::format("{} {} {} {} {} {}\n", boot_id, std::uint64_t{file.st_dev},
                     std::uint64_t{file.st_ino}, file.st_size, nanoseconds(file.st_mtim),
                     nanoseconds(file.st_ctim));
}

base::Status write_stamp(base::FileOps& files, int store_dir, const base::Digest& digest, int fd) {
  struct stat file = {};
  if (::fstat(fd, &file) != 0) return base::errno_error(errno, "stat " + digest.text());
  // Without a boot id nothing could be told apart later.
  if (!is_stamped_kind(file) || current_boot_id() == BootId{}) return base::ok();
  const std::string text = stamp_text(boot_text(), file);
  const std::string tmp = unique_tmp_path();
  CASTOOL_RETURN_IF_ERROR(files.make_dir(store_dir, sums_dir(digest), kDirectoryMode));
  CASTOOL_ASSIGN(const base::UniqueFd out,
                 files.open(store_dir, tmp, O_WRONLY | O_CREAT | O_EXCL, kWorkMode));
  base::Status status = files.write_at(out.get(), 0, std::as_bytes(std::span(text)));
  if (status) {
    status = files.rename(store_dir, tmp, store_dir, stamp_path(digest), base::IfExists::kReplace);
  }
  if (!status) (void)files.unlink(store_dir, tmp);
  return status;
}

bool has_stamp(int store_dir, const base::Digest& digest, int fd) {
  struct stat file = {};
  if (::fstat(fd, &file) != 0 || !is_stamped_kind(file)) return false;
  if (current_boot_id() == BootId{}) return false;
  const auto text = read_file_at(store_dir, stamp_path(digest), kMaxStamp);
  return text && *text && **text == stamp_text(boot_text(), file);
}

}  // namespace castool::cas
