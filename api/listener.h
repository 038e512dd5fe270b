// Where the API can be reached: a TCP address, a Unix socket.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/http.h"
#include "base/file_ops.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace castool::api {

struct TcpAddress {
  std::string host;  // numeric, without brackets
  std::uint16_t port = 0;
  // "127.0.0.1:11435", "[::1]:11435"
  [[nodiscard]] std::string text() const;
};

// "HOST:PORT", "[V6]:PORT", ":PORT" for every address, with "localhost" for 127.0.0.1. Numeric, so
// that nothing is looked up; port 0 is any. kUsage.
[[nodiscard]] base::Result<TcpAddress> parse_tcp_address(std::string_view text);
[[nodiscard]] bool is_loopback(const TcpAddress& address);

struct SocketAccess {
  mode_t mode = 0600;
  std::optional<gid_t> group;
};

// A listening socket. A Unix socket's name goes with it.
class Listener {
 public:
  // kBusy when the address is taken, kUsage when it cannot be had.
  [[nodiscard]] static base::Result<Listener> tcp(const TcpAddress& address);
  // A name that a server left behind is taken over; one that answers is kBusy, and anything else
  // there kUsage. Nobody can connect before mode and group are right. `files` outlives this.
  [[nodiscard]] static base::Result<Listener> unix_socket(const std::string& path,
                                                          const SocketAccess& access,
                                                          base::FileOps& files);
  ~Listener();
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] Arrival arrival() const {
    return path_.empty() ? Arrival::kTcp : Arrival::kUnixSocket;
  }
  // With the port that was got; of a Unix socket its path.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  Listener(base::UniqueFd fd, std::string text) : fd_(std::move(fd)), text_(std::move(text)) {}

  base::UniqueFd fd_;
  std::string text_;
  std::string path_;  // of a Unix socket
  base::FileOps* files_ = nullptr;
};

}  // namespace castool::api
