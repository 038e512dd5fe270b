#include "cas/read_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>

namespace castool::cas {

base::Result<std::optional<base::UniqueFd>> open_for_reading(int dir, const std::string& path,
                                                             int extra_flags) {
  base::UniqueFd fd;
  do {
    fd.reset(::openat(dir, path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | extra_flags));
  } while (!fd && errno == EINTR);
  if (!fd) {
    if (errno == ENOENT) return std::optional<base::UniqueFd>();
    const int saved = errno;
    return base::errno_error(saved, "open " + path);
  }
  return std::optional(std::move(fd));
}

base::Result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got == 0) break;
    if (got < 0) {
      if (errno == EINTR) continue;
      const int saved = errno;
      return base::errno_error(saved, "read file descriptor " + std::to_string(fd));
    }
    done += static_cast<std::size_t>(got);
  }
  return done;
}

base::Result<std::optional<std::string>> read_file_at(int dir, const std::string& path,
                                                      std::uint64_t limit) {
  CASTOOL_ASSIGN(const std::optional<base::UniqueFd> fd, open_for_reading(dir, path));
  if (!fd) return std::optional<std::string>();
  struct stat info = {};
  if (::fstat(fd->get(), &info) != 0) {
    const int saved = errno;
    return base::errno_error(saved, "stat " + path);
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > limit) {
    return base::make_error(base::Code::kIo, path + ": larger than the " + std::to_string(limit) +
                                                 " bytes expected of it");
  }
  std::string text(size, '\0');
  CASTOOL_ASSIGN(const std::size_t got,
                 read_at(fd->get(), 0, std::as_writable_bytes(std::span(text))));
  text.resize(got);
  return std::optional(std::move(text));
}

base::Result<std::optional<struct stat>> stat_at(int dir, const std::string& path) {
  struct stat info = {};
  if (::fstatat(dir, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return std::optional(info);
  const int failed = errno;
  if (failed == ENOENT || failed == ENOTDIR) return std::optional<struct stat>();
  return base::errno_error(failed, "stat " + path);
}

base::Result<std::vector<std::string>> list_dir(int dir, const std::string& path) {
  std::vector<std::string> names;
  CASTOOL_ASSIGN(std::optional<base::UniqueFd> fd, open_for_reading(dir, path, O_DIRECTORY));
  if (!fd) return names;
  const auto close = [](DIR* stream) { ::closedir(stream); };
  const std::unique_ptr<DIR, decltype(close)> stream(::fdopendir(fd->get()), close);
  if (!stream) {
    const int saved = errno;
    return base::errno_error(saved, "list " + path);
  }
  (void)fd->release();  // closedir closes it
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) {
    const int saved = errno;
    return base::errno_error(saved, "list " + path);
  }
  return names;
}

}  // namespace castool::cas
