#include "api/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace castool::api {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;
using base::UniqueFd;

constexpr int kBacklog = 512;
constexpr std::string_view kExample = "write it like 127.0.0.1:11435 or [::1]:11435";

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
};

socklen_t fill_address(const TcpAddress& address, SocketAddress& out) {
  std::memset(&out, 0, sizeof out);
  if (::inet_pton(AF_INET, address.host.c_str(), &out.v4.sin_addr) == 1) {
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(address.port);
    return sizeof out.v4;
  }
  if (::inet_pton(AF_INET6, address.host.c_str(), &out.v6.sin6_addr) == 1) {
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(address.port);
    return sizeof out.v6;
  }
  return 0;
}

Result<SocketAddress> unix_address(const std::string& path) {
  SocketAddress address;
  std::memset(&address, 0, sizeof address);
  if (path.empty() || path.size() >= sizeof address.local.sun_path) {
    return make_error(Code::kUsage, fmt::format("{}: not a path for a socket, which has at most "
                                                "{} bytes",
                                                path, sizeof address.local.sun_path - 1));
  }
  address.local.sun_family = AF_UNIX;
  std::memcpy(address.local.sun_path, path.data(), path.size());
  return address;
}

// Takes away a socket that nobody answers on.
Status clear_path(const std::string& path, const SocketAddress& address, base::FileOps& files) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? base::ok() : Status(base::errno_error(errno, "look at " + path));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return make_error(Code::kUsage, path + ": something else is there");
  }
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe) return base::errno_error(errno, "socket");
  if (::connect(probe.get(), &address.any, sizeof address.local) == 0) {
    return make_error(Code::kBusy, path + ": another server answers there");
  }
  if (errno != ECONNREFUSED) return base::errno_error(errno, "connect to " + path);
  return files.unlink(AT_FDCWD, path);
}

}  // namespace

std::string TcpAddress::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<TcpAddress> parse_tcp_address(std::string_view text) {
  const auto bad = [&] {
    return make_error(Code::kUsage, fmt::format("{}: not an address to listen on", text),
                      std::string(kExample));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  TcpAddress address;
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (failure != std::errc() || end != port.data() + port.size() || port.empty()) return bad();
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return bad();
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  if (host.empty()) host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  address.host = host;
  SocketAddress ignored;
  if (fill_address(address, ignored) == 0) return bad();
  return address;
}

bool is_loopback(const TcpAddress& address) {
  return address.host.starts_with("127.") || address.host == "::1";
}

Result<Listener> Listener::tcp(const TcpAddress& wanted) {
  SocketAddress address;
  socklen_t size = fill_address(wanted, address);
  UniqueFd fd(::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return base::errno_error(errno, "socket");
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(fd.get(), &address.any, size) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    const Code code = errno == EADDRINUSE ? Code::kBusy : Code::kUsage;
    return make_error(code, fmt::format("cannot listen on {}: {}", wanted.text(),
                                        errno == EADDRINUSE ? "somebody else does already"
                                                            : ::strerrordesc_np(errno)));
  }
  size = sizeof address;
  ::getsockname(fd.get(), &address.any, &size);
  TcpAddress got = wanted;
  got.port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
  return Listener(std::move(fd), got.text());
}

Result<Listener> Listener::unix_socket(const std::string& path, const SocketAccess& access,
                                       base::FileOps& files) {
  CASTOOL_ASSIGN(const SocketAddress address, unix_address(path));
  CASTOOL_RETURN_IF_ERROR(clear_path(path, address, files));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return base::errno_error(errno, "socket");
  if (::bind(fd.get(), &address.any, sizeof address.local) != 0) {
    return base::errno_error(errno, "listen on " + path);
  }
  Listener listener(std::move(fd), path);
  listener.path_ = path;  // from here on it goes with the listener
  listener.files_ = &files;
  const bool owned =
      !access.group || ::chown(path.c_str(), static_cast<uid_t>(-1), *access.group) == 0;
  if (!owned || ::chmod(path.c_str(), access.mode) != 0) {
    return base::errno_error(errno, "set the access to " + path);
  }
  // Until now connecting was refused, whatever the mode was.
  if (::listen(listener.fd(), kBacklog) != 0) return base::errno_error(errno, "listen on " + path);
  return listener;
}

Listener::~Listener() {
  if (!path_.empty()) static_cast<void>(files_->unlink(AT_FDCWD, path_));
}

Listener::Listener(Listener&& other) noexcept
    : fd_(std::move(other.fd_)),
      text_(std::move(other.text_)),
      path_(std::exchange(other.path_, {})),
      files_(other.files_) {}

}  // namespace castool::api
