#include "fusefs/fuse_device.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace castool::fusefs {
namespace {

using base::Code;
using base::Result;
using base::UniqueFd;

constexpr const char* kDevice = "/dev/fuse";
constexpr const char* kFusermount = "fusermount3";
// The number under which fusermount3 finds the socket on which it returns the connection; it reads
// the number from _FUSE_COMMFD.
constexpr int kSocketNumber = 3;

struct Ran {
  int exit_status = 0;
  std::string complaint;  // its standard error, one line
};

std::string read_all(int fd) {
  std::string text;
  std::array<char, 512> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || text.size() > 4096) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text;
}

Result<pid_t> spawn_fusermount(const std::vector<std::string>& arguments, int socket,
                               int complaints) {
  std::vector<char*> argv;
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), kFusermount);
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string comm = fmt::format("_FUSE_COMMFD={}", kSocketNumber);
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.push_back(*variable);
  if (socket >= 0) environment.push_back(comm.data());
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
  if (socket >= 0) ::posix_spawn_file_actions_adddup2(&actions, socket, kSocketNumber);
  pid_t pid = 0;
  const int failed =
      ::posix_spawnp(&pid, kFusermount, &actions, nullptr, argv.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed == ENOENT)
    return base::make_error(Code::kUnsupported, "mounting without privilege takes fusermount3",
                            "install the package fuse3");
  if (failed != 0) return base::errno_error(failed, kFusermount);
  return pid;
}

Result<Ran> finish_fusermount(pid_t pid, int complaints) {
  Ran ran;
  ran.complaint = read_all(complaints);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return base::errno_error(errno, kFusermount);
  }
  ran.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return ran;
}

struct Pair {
  UniqueFd ours, theirs;
};

Result<Pair> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return base::errno_error(errno, "pipe");
  return Pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<Pair> make_socket() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return base::errno_error(errno, "socketpair");
  return Pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// One message with one descriptor in it; no descriptor when the sender went away without one.
UniqueFd receive_descriptor(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = -1;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

Result<UniqueFd> mount_by_fusermount(const DeviceOptions& options) {
  CASTOOL_ASSIGN(Pair socket, make_socket());
  CASTOOL_ASSIGN(Pair complaints, make_pipe());
  const std::string words =
      fmt::format("fsname={},subtype=castool,nosuid,nodev,default_permissions{}",
                  escaped(options.source_name), options.allow_other ? ",allow_other" : "");
  CASTOOL_ASSIGN(const pid_t pid, spawn_fusermount({"-o", words, "--", options.directory},
                                                   socket.theirs.get(), complaints.theirs.get()));
  socket.theirs.reset();
  complaints.theirs.reset();
  UniqueFd device = receive_descriptor(socket.ours.get());
  CASTOOL_ASSIGN(const Ran ran, finish_fusermount(pid, complaints.ours.get()));
  if (ran.exit_status == 0 && device) return device;
  const bool other = ran.complaint.find("user_allow_other") != std::string::npos;
  return base::make_error(Code::kUnsupported,
                          fmt::format("cannot mount on {}: {}", options.directory,
                                      ran.complaint.empty() ? "fusermount3 failed" : ran.complaint),
                          other ? "put user_allow_other into /etc/fuse.conf" : "");
}

Result<UniqueFd> mount_directly(const DeviceOptions& options) {
  UniqueFd device(::open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return base::errno_error(errno, kDevice);
  const std::string data =
      fmt::format("fd={},rootmode=40000,user_id={},group_id={},default_permissions{}", device.get(),
                  ::getuid(), ::getgid(), options.allow_other ? ",allow_other" : "");
  if (::mount(options.source_name.c_str(), options.directory.c_str(), "fuse.castool",
              MS_NOSUID | MS_NODEV, data.c_str()) != 0)
    return base::errno_error(errno, "mount on " + options.directory);
  return device;
}

}  // namespace

Result<UniqueFd> mount_device(const DeviceOptions& options) {
  if (::access(kDevice, F_OK) != 0)
    return base::make_error(Code::kUnsupported, "there is no /dev/fuse",
                            "load the module fuse, or give the container --device /dev/fuse");
  if (::geteuid() != 0) return mount_by_fusermount(options);
  auto device = mount_directly(options);
  const int failed = device ? 0 : device.error().sys_errno;
  if (device || (failed != EPERM && failed != EACCES)) return device;
  return base::make_error(Code::kUnsupported,
                          fmt::format("mounting on {} is not permitted here", options.directory),
                          "give the container --cap-add SYS_ADMIN --device /dev/fuse");
}

base::Status unmount_device(const std::string& directory, Detach detach) {
  const auto busy = [&] {
    return base::make_error(Code::kBusy, fmt::format("{} is busy: files are open", directory),
                            "close them, or use --lazy");
  };
  if (::geteuid() == 0) {
    const int flags = UMOUNT_NOFOLLOW | (detach == Detach::kLazy ? MNT_DETACH : 0);
    if (::umount2(directory.c_str(), flags) == 0) return base::ok();
    if (errno == EBUSY) return busy();
    return base::errno_error(errno, "unmount " + directory);
  }
  CASTOOL_ASSIGN(Pair complaints, make_pipe());
  std::vector<std::string> words{"-u"};
  if (detach == Detach::kLazy) words.emplace_back("-z");
  words.insert(words.end(), {"--", directory});
  CASTOOL_ASSIGN(const pid_t pid, spawn_fusermount(words, -1, complaints.theirs.get()));
  complaints.theirs.reset();
  CASTOOL_ASSIGN(const Ran ran, finish_fusermount(pid, complaints.ours.get()));
  if (ran.exit_status == 0) return base::ok();
  if (ran.complaint.find("busy") != std::string::npos) return busy();
  return base::make_error(Code::kIo, fmt::format("unmount {}: {}", directory, ran.complaint));
}

}  // namespace castool::fusefs
