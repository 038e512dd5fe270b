// A library for LD_PRELOAD that breaks the Nth call of some kinds that a program makes on a store.
//
//   CASTOOL_BREAK=CALLS/WHAT/N[+]   CALLS: "pwrite,fsync"   N: counted from 1, over all CALLS
//   together CASTOOL_BREAK_STORE=DIR         calls on files of DIR count, and every socket()
//   CASTOOL_BREAK_REPORT=FILE       gets one byte for each call that was broken
//   CASTOOL_BREAK_BOOT_ID=FILE      is what the kernel's boot id is read from
//
// WHAT is the number of an errno, "short" (half of the bytes are read or written), "kill" or "stop"
// (SIGKILL or SIGSTOP to the process before the call). With "+" all calls from the Nth on; of EINTR
// every other one, since whoever is always interrupted gets nowhere. Safe from any thread.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

struct Plan {
  std::string calls;  // ",pwrite,fsync,"
  std::string what;
  std::uint64_t nth = 0;
  bool sticky = false;
  std::string store;
  std::string report;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Plan read_plan() {
  Plan plan{{}, {}, 0, false, variable("CASTOOL_BREAK_STORE"), variable("CASTOOL_BREAK_REPORT")};
  const std::string text = variable("CASTOOL_BREAK");
  const std::size_t first = text.find('/');
  const std::size_t second = text.find('/', first + 1);
  if (first == std::string::npos || second == std::string::npos) return plan;
  plan.calls = "," + text.substr(0, first) + ",";
  plan.what = text.substr(first + 1, second - first - 1);
  plan.nth = std::strtoull(text.c_str() + second + 1, nullptr, 10);
  plan.sticky = text.back() == '+';
  return plan;
}

const Plan& plan() {
  static const Plan the_plan = read_plan();
  return the_plan;
}

std::atomic<std::uint64_t>& seen() {
  static std::atomic<std::uint64_t> count = 0;
  return count;
}

bool in_store(std::string_view path) {
  return !plan().store.empty() && path.starts_with(plan().store);
}

bool on_store(int fd) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const long length = ::syscall(SYS_readlinkat, AT_FDCWD, link.c_str(), path.data(), path.size());
  return length > 0 && in_store({path.data(), static_cast<std::size_t>(length)});
}

bool on_store(int dir, const char* path) {
  return path[0] == '/' || dir == AT_FDCWD ? in_store(path) : on_store(dir);
}

bool on_store() { return true; }  // of what is no file

void tell() {
  const long fd = ::syscall(SYS_openat, AT_FDCWD, plan().report.c_str(),
                            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  (void)::syscall(SYS_write, fd, "x", 1);
  (void)::syscall(SYS_close, fd);
}

enum class Turn { kReal, kFail, kShort };

Turn act() {
  const int saved = errno;
  tell();
  errno = saved;
  if (plan().what == "kill" || plan().what == "stop") {
    (void)::kill(::getpid(), plan().what == "kill" ? SIGKILL : SIGSTOP);
    return Turn::kReal;
  }
  if (plan().what == "short") return Turn::kShort;
  errno = static_cast<int>(std::strtol(plan().what.c_str(), nullptr, 10));
  return Turn::kFail;
}

// What a call of this kind on a file of the store has to do.
template <class... Where>
Turn turn(const char* call, Where... where) {
  const int saved = errno;
  const bool counts = plan().nth != 0 &&
                      plan().calls.find("," + std::string(call) + ",") != std::string::npos &&
                      on_store(where...);
  errno = saved;
  if (!counts) return Turn::kReal;
  const std::uint64_t number = ++seen();
  if (number < plan().nth || (number > plan().nth && !plan().sticky)) return Turn::kReal;
  const bool every_other = plan().what == std::to_string(EINTR);
  if (every_other && (number - plan().nth) % 2 == 1) return Turn::kReal;
  return act();
}

template <class Function>
Function* real(Function*, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::size_t half(Turn turn, std::size_t size) {
  return turn == Turn::kShort && size > 1 ? size / 2 : size;
}

}  // namespace

// The names that a program with 64-bit offsets is linked against. Of other names than the headers'
// here, because the attributes there differ from one glibc to the next.
extern "C" {

int breaker_openat(int dir, const char* path, int flags, mode_t mode) asm("openat64");
int breaker_openat(int dir, const char* path, int flags, mode_t mode) {
  static auto* const next = real(&breaker_openat, "openat64");
  const char* const boot_id = std::getenv("CASTOOL_BREAK_BOOT_ID");
  if (boot_id != nullptr && std::string_view(path) == "/proc/sys/kernel/random/boot_id") {
    return next(dir, boot_id, flags, mode);
  }
  return turn("openat", dir, path) == Turn::kFail ? -1 : next(dir, path, flags, mode);
}

int breaker_open(const char* path, int flags, mode_t mode) asm("open64");
int breaker_open(const char* path, int flags, mode_t mode) {
  static auto* const next = real(&breaker_open, "open64");
  return turn("openat", AT_FDCWD, path) == Turn::kFail ? -1 : next(path, flags, mode);
}

ssize_t breaker_pwrite(int fd, const void* bytes, size_t size, off_t offset) asm("pwrite64");
ssize_t breaker_pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  static auto* const next = real(&breaker_pwrite, "pwrite64");
  const Turn now = turn("pwrite", fd);
  return now == Turn::kFail ? -1 : next(fd, bytes, half(now, size), offset);
}

ssize_t breaker_pread(int fd, void* bytes, size_t size, off_t offset) asm("pread64");
ssize_t breaker_pread(int fd, void* bytes, size_t size, off_t offset) {
  static auto* const next = real(&breaker_pread, "pread64");
  const Turn now = turn("pread", fd);
  return now == Turn::kFail ? -1 : next(fd, bytes, half(now, size), offset);
}

ssize_t breaker_write(int fd, const void* bytes, size_t size) asm("write");
ssize_t breaker_write(int fd, const void* bytes, size_t size) {
  static auto* const next = real(&breaker_write, "write");
  const Turn now = turn("write", fd);
  return now == Turn::kFail ? -1 : next(fd, bytes, half(now, size));
}

ssize_t breaker_read(int fd, void* bytes, size_t size) asm("read");
ssize_t breaker_read(int fd, void* bytes, size_t size) {
  static auto* const next = real(&breaker_read, "read");
  const Turn now = turn("read", fd);
  return now == Turn::kFail ? -1 : next(fd, bytes, half(now, size));
}

int breaker_fallocate(int fd, int mode, off_t offset, off_t length) asm("fallocate64");
int breaker_fallocate(int fd, int mode, off_t offset, off_t length) {
  static auto* const next = real(&breaker_fallocate, "fallocate64");
  return turn("fallocate", fd) == Turn::kFail ? -1 : next(fd, mode, offset, length);
}

int breaker_ftruncate(int fd, off_t size) asm("ftruncate64");
int breaker_ftruncate(int fd, off_t size) {
  static auto* const next = real(&breaker_ftruncate, "ftruncate64");
  return turn("ftruncate", fd) == Turn::kFail ? -1 : next(fd, size);
}

int breaker_fchmod(int fd, mode_t mode) asm("fchmod");
int breaker_fchmod(int fd, mode_t mode) {
  static auto* const next = real(&breaker_fchmod, "fchmod");
  return turn("fchmod", fd) == Turn::kFail ? -1 : next(fd, mode);
}

int breaker_fsync(int fd) asm("fsync");
int breaker_fsync(int fd) {
  static auto* const next = real(&breaker_fsync, "fsync");
  return turn("fsync", fd) == Turn::kFail ? -1 : next(fd);
}

int breaker_fdatasync(int fd) asm("fdatasync");
int breaker_fdatasync(int fd) {
  static auto* const next = real(&breaker_fdatasync, "fdatasync");
  return turn("fsync", fd) == Turn::kFail ? -1 : next(fd);
}

int breaker_rename(int from_dir, const char* from, int to_dir, const char* to,
                   unsigned flags) asm("renameat2");
int breaker_rename(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  static auto* const next = real(&breaker_rename, "renameat2");
  return turn("rename", to_dir, to) == Turn::kFail ? -1 : next(from_dir, from, to_dir, to, flags);
}

int breaker_unlink(int dir, const char* path, int flags) asm("unlinkat");
int breaker_unlink(int dir, const char* path, int flags) {
  static auto* const next = real(&breaker_unlink, "unlinkat");
  return turn("unlink", dir, path) == Turn::kFail ? -1 : next(dir, path, flags);
}

int breaker_mkdir(int dir, const char* path, mode_t mode) asm("mkdirat");
int breaker_mkdir(int dir, const char* path, mode_t mode) {
  static auto* const next = real(&breaker_mkdir, "mkdirat");
  return turn("mkdir", dir, path) == Turn::kFail ? -1 : next(dir, path, mode);
}

int breaker_symlink(const char* target, int dir, const char* path) asm("symlinkat");
int breaker_symlink(const char* target, int dir, const char* path) {
  static auto* const next = real(&breaker_symlink, "symlinkat");
  return turn("symlink", dir, path) == Turn::kFail ? -1 : next(target, dir, path);
}

int breaker_fstat(int fd, struct stat* info) asm("fstat64");
int breaker_fstat(int fd, struct stat* info) {
  static auto* const next = real(&breaker_fstat, "fstat64");
  return turn("stat", fd) == Turn::kFail ? -1 : next(fd, info);
}

int breaker_fstatat(int dir, const char* path, struct stat* info, int flags) asm("fstatat64");
int breaker_fstatat(int dir, const char* path, struct stat* info, int flags) {
  static auto* const next = real(&breaker_fstatat, "fstatat64");
  return turn("stat", dir, path) == Turn::kFail ? -1 : next(dir, path, info, flags);
}

// Locks are taken or asked for; giving one back cannot fail.
int breaker_fcntl(int fd, int command, void* argument) asm("fcntl64");
int breaker_fcntl(int fd, int command, void* argument) {
  static auto* const next = real(&breaker_fcntl, "fcntl64");
  const bool locks = command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK;
  if (!locks || static_cast<const struct flock*>(argument)->l_type == F_UNLCK) {
    return next(fd, command, argument);
  }
  return turn("lock", fd) == Turn::kFail ? -1 : next(fd, command, argument);
}

int breaker_socket(int domain, int type, int protocol) asm("socket");
int breaker_socket(int domain, int type, int protocol) {
  static auto* const next = real(&breaker_socket, "socket");
  return turn("socket") == Turn::kFail ? -1 : next(domain, type, protocol);
}

}  // extern "C"
