#include "fusefs/handover_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "fusefs/handover_state.h"

namespace castool::fusefs {
namespace {

using base::Code;
using base::Result;
using base::Status;
using base::UniqueFd;

constexpr std::size_t kMostDescriptors = 64;  // in one message
constexpr std::size_t kMostBytes = 4096;

struct Message {
  std::string text;
  std::vector<UniqueFd> descriptors;
};

Status send_message(int socket, const std::string& text, std::span<const int> descriptors = {}) {
  iovec data{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostDescriptors)> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t sent = -1;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return base::errno_error(errno, "send to the other daemon");
  return base::ok();
}

// An empty text is the other side's end.
Result<Message> receive_message(int socket) {
  std::array<char, kMostBytes> text;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostDescriptors)> control{};
  iovec data{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = -1;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return base::errno_error(errno, "hear from the other daemon");
  Message received;
  if (got > 0) received.text.assign(text.data(), static_cast<std::size_t>(got));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
      received.descriptors.emplace_back(fd);
    }
  }
  return received;
}

// False when `deadline` came first, or `other` became readable.
bool wait_readable(int fd, std::chrono::steady_clock::time_point deadline, int other = -1) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    std::array<pollfd, 2> events{pollfd{fd, POLLIN, 0}, pollfd{other, POLLIN, 0}};
    if (::poll(events.data(), 2, static_cast<int>(left.count())) <= 0) continue;
    return events[1].revents == 0;
  }
}

std::chrono::steady_clock::time_point answer_deadline() {
  return std::chrono::steady_clock::now() + kAnswerTime;
}

std::string hello() { return fmt::format("castool handover {}", kHandoverVersion); }

// 0 when there is no such name.
ino_t inode_of(int directory, const std::string& name) {
  struct stat attr {};
  return ::fstatat(directory, name.c_str(), &attr, AT_SYMLINK_NOFOLLOW) == 0 ? attr.st_ino : 0;
}

std::string socket_name(dev_t mount) {
  return fmt::format("{}-{}.sock", major(mount), minor(mount));
}

// By way of the descriptor, since the name of a socket may not be long.
sockaddr_un address_of(int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

const sockaddr* as_address(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// One that nobody else can put anything into.
Result<UniqueFd> open_directory(const std::string& path) {
  UniqueFd directory(::open(path.c_str(), O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return base::errno_error(errno, path);
  struct stat attr {};
  if (::fstat(directory.get(), &attr) != 0) return base::errno_error(errno, path);
  if (attr.st_uid != ::geteuid() || (attr.st_mode & 022) != 0)
    return base::make_error(Code::kUnsupported, path + " belongs to others too",
                            "chmod 0700 " + path);
  return directory;
}

bool same_user(int peer) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  return ::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 &&
         (credentials.uid == ::geteuid() || credentials.uid == 0);
}

Result<UniqueFd> memory_file(const std::string& bytes) {
  UniqueFd file(::memfd_create("castool-handover", MFD_CLOEXEC));
  if (!file) return base::errno_error(errno, "memory for the state");
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return base::errno_error(errno, "memory for the state");
    done += static_cast<std::size_t>(wrote);
  }
  return file;
}

Result<std::string> bytes_of(int file) {
  struct stat attr {};
  if (::fstat(file, &attr) != 0) return base::errno_error(errno, "the state");
  std::string bytes(static_cast<std::size_t>(attr.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return base::errno_error(got < 0 ? errno : EIO, "the state");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Status send_mount(int peer, const GivenMount& mount) {
  CASTOOL_ASSIGN(const UniqueFd state, memory_file(mount.state));
  std::string head = "S";
  const std::uint64_t blobs = mount.blobs.size();
  head.append(reinterpret_cast<const char*>(&blobs), sizeof blobs);
  CASTOOL_RETURN_IF_ERROR(
      send_message(peer, head, std::array<int, 2>{mount.device.get(), state.get()}));
  for (std::size_t first = 0; first < mount.blobs.size(); first += kMostDescriptors) {
    std::vector<int> some;
    for (std::size_t i = first; i < std::min(first + kMostDescriptors, mount.blobs.size()); ++i)
      some.push_back(mount.blobs[i].get());
    CASTOOL_RETURN_IF_ERROR(send_message(peer, "D", some));
  }
  return base::ok();
}

}  // namespace

HandoverServer::HandoverServer(UniqueFd directory, std::string name, MountGiver& giver,
                               base::FileOps& files, base::Log& log)
    : directory_(std::move(directory)),
      name_(std::move(name)),
      giver_(giver),
      files_(files),
      log_(log) {}

Result<std::unique_ptr<HandoverServer>> HandoverServer::listen(const std::string& directory,
                                                               dev_t mount, MountGiver& giver,
                                                               base::FileOps& files,
                                                               base::Log& log) {
  CASTOOL_RETURN_IF_ERROR(files.make_dir(AT_FDCWD, directory, 0700));
  CASTOOL_ASSIGN(UniqueFd place, open_directory(directory));
  std::unique_ptr<HandoverServer> server(
      new HandoverServer(std::move(place), socket_name(mount), giver, files, log));
  server->ending_.reset(::eventfd(0, EFD_CLOEXEC));
  server->socket_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!server->ending_ || !server->socket_) return base::errno_error(errno, "socket");
  // One of a daemon that is dead, or that this one succeeds.
  static_cast<void>(files.unlink(server->directory_.get(), server->name_));
  const sockaddr_un address = address_of(server->directory_.get(), server->name_);
  if (::bind(server->socket_.get(), as_address(address), sizeof address) != 0 ||
      ::chmod(address.sun_path, 0600) != 0 || ::listen(server->socket_.get(), 4) != 0)
    return base::errno_error(errno, directory + "/" + server->name_);
  server->inode_ = inode_of(server->directory_.get(), server->name_);
  server->thread_ =
      std::jthread([raw = server.get()](const std::stop_token& stop) { raw->serve(stop); });
  return server;
}

HandoverServer::~HandoverServer() {
  thread_.request_stop();
  const std::uint64_t one = 1;
  if (ending_ && ::write(ending_.get(), &one, sizeof one) < 0)
    log_.error("cannot end the control socket: errno {}", errno);
  if (thread_.joinable()) thread_.join();
  const bool own = inode_ != 0 && inode_of(directory_.get(), name_) == inode_;
  if (!gave_away_ && own) static_cast<void>(files_.unlink(directory_.get(), name_));
}

void HandoverServer::serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto later = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    if (!wait_readable(socket_.get(), later, ending_.get())) continue;
    const UniqueFd peer(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer || !same_user(peer.get())) continue;
    if (talk(peer.get(), stop) == Talked::kGoesOn) continue;
    gave_away_ = true;
    return;
  }
}

HandoverServer::Talked HandoverServer::talk(int peer, const std::stop_token& stop) {
  const auto hears = [&] { return wait_readable(peer, answer_deadline(), ending_.get()); };
  if (!hears()) return Talked::kGoesOn;
  const auto asked = receive_message(peer);
  if (!asked || asked->text.empty()) return Talked::kGoesOn;
  if (asked->text != hello()) {
    static_cast<void>(send_message(peer, "Nit speaks another version of the handover"));
    return Talked::kGoesOn;
  }
  auto mount = giver_.pause();
  if (!mount) {
    log_.warn("the mount is not handed over: {}", mount.error().text());
    static_cast<void>(send_message(peer, "N" + mount.error().message.substr(0, kMostBytes - 1)));
    return Talked::kGoesOn;
  }
  bool taken = false;
  if (send_mount(peer, *mount) && hears()) {
    const auto answer = receive_message(peer);
    taken = answer && answer->text == "T" && !stop.stop_requested();
  }
  if (!taken) {
    giver_.resume();
    log_.info("the mount stays here: who asked for it did not take it");
    static_cast<void>(send_message(peer, "R"));
    return Talked::kGoesOn;
  }
  giver_.leave();
  static_cast<void>(send_message(peer, "G"));
  return Talked::kGaveAway;
}

Result<Predecessor> Predecessor::ask(const std::string& directory, dev_t mount) {
  const auto nobody = [](std::string_view why) {
    return base::make_error(Code::kBusy,
                            fmt::format("the mount that is there cannot be replaced: {}", why),
                            "castool umount it, then mount it anew");
  };
  const auto place = open_directory(directory);
  if (!place) return nobody(place.error().message);
  Predecessor predecessor(UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)));
  const sockaddr_un address = address_of(place->get(), socket_name(mount));
  if (::connect(predecessor.socket_.get(), as_address(address), sizeof address) != 0)
    return nobody("its daemon has no socket in " + directory);
  CASTOOL_RETURN_IF_ERROR(send_message(predecessor.socket_.get(), hello()));
  const Status received = predecessor.receive();
  if (!received) return nobody(received.error().message);
  return predecessor;
}

Status Predecessor::receive() {
  const auto next = [this]() -> Result<Message> {
    if (!wait_readable(socket_.get(), answer_deadline()))
      return base::make_error(Code::kBusy, "its daemon does not answer");
    return receive_message(socket_.get());
  };
  CASTOOL_ASSIGN(Message first, next());
  if (first.text.starts_with('N')) return base::make_error(Code::kBusy, first.text.substr(1));
  std::uint64_t blobs = 0;
  if (!first.text.starts_with('S') || first.text.size() != 1 + sizeof blobs ||
      first.descriptors.size() != 2)
    return base::make_error(Code::kBusy, "its daemon ended, or makes no sense");
  std::memcpy(&blobs, first.text.data() + 1, sizeof blobs);
  given_.device = std::move(first.descriptors[0]);
  CASTOOL_ASSIGN(given_.state, bytes_of(first.descriptors[1].get()));
  while (given_.blobs.size() < blobs) {
    CASTOOL_ASSIGN(Message more, next());
    if (more.text != "D" || more.descriptors.empty())
      return base::make_error(Code::kBusy, "its daemon ended, or too many files are open here");
    for (UniqueFd& fd : more.descriptors) given_.blobs.push_back(std::move(fd));
  }
  return base::ok();
}

Status Predecessor::take() {
  CASTOOL_RETURN_IF_ERROR(send_message(socket_.get(), "T"));
  if (!wait_readable(socket_.get(), answer_deadline()))
    return base::make_error(Code::kBusy, "the mount's daemon does not let go of it");
  const auto answer = receive_message(socket_.get());
  if (answer && (answer->text == "G" || answer->text.empty())) return base::ok();
  return base::make_error(Code::kBusy, "the mount's daemon goes on by itself", "try again");
}

}  // namespace castool::fusefs
