#include "tests/support/hub/connection.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>
#include <vector>

#include <fmt/format.h>

namespace castool::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxHead = 64 << 10;
constexpr std::size_t kMaxRequestBody = 64 << 20;
constexpr std::size_t kBuffer = 256 << 10;

bool has_body(const Request& request, const Response& response) {
  return !request.is_head() && response.status != 304 && response.status != 204;
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

std::optional<Request> parse_head(std::string_view head) {
  const std::size_t line_end = std::min(head.find("\r\n"), head.size());
  const std::vector<std::string> words = split(head.substr(0, line_end), ' ');
  if (words.size() != 3 || !words[2].starts_with("HTTP/1.")) return std::nullopt;
  Request request;
  request.method = words[0];
  request.target = words[1];
  const std::size_t question = request.target.find('?');
  request.path = request.target.substr(0, question);
  if (question != std::string::npos) request.query = request.target.substr(question + 1);
  for (std::size_t at = line_end; at < head.size();) {
    at += 2;
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string_view line = head.substr(at, end - at);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    request.headers.add(std::string(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    at = end;
  }
  return request;
}

// The body's next bytes, as the faults of `wire` leave them.
class BodySource {
 public:
  explicit BodySource(const Response& response) : response_(response) {}

  // False if the bytes cannot be read. `out` lies within the body and its extra bytes.
  bool fill(std::uint64_t position, std::span<std::byte> out) const {
    const std::uint64_t size = response_.body_size();
    const std::size_t real = static_cast<std::size_t>(
        position < size ? std::min<std::uint64_t>(out.size(), size - position) : 0);
    if (response_.content) {
      if (!response_.content->read_at(response_.range.offset + position, out.first(real))) {
        return false;
      }
    } else {
      const auto bytes = std::as_bytes(std::span(response_.body));
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(position), real, out.begin());
    }
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(real), out.end(), std::byte{'+'});
    spoil(position, out.first(real));
    return true;
  }

 private:
  void spoil(std::uint64_t position, std::span<std::byte> bytes) const {
    if (response_.wire.garble) {
      for (std::byte& byte : bytes) byte ^= std::byte{0x5a};
    }
    const std::uint64_t first = response_.range.offset + position;
    for (const std::uint64_t offset : response_.wire.flip_at) {
      if (offset >= first && offset - first < bytes.size()) bytes[offset - first] ^= std::byte{1};
    }
  }

  const Response& response_;
};

// How many of the bytes from `position` may go out in one piece.
std::uint64_t piece_size(const Wire& wire, std::uint64_t position, std::uint64_t end) {
  std::uint64_t size = std::min<std::uint64_t>(end - position, kBuffer);
  if (wire.piece > 0) size = std::min(size, wire.piece);
  if (wire.bytes_per_second > 0) {
    constexpr std::uint64_t kPiecesPerSecond = 50;
    size = std::min(size, std::max<std::uint64_t>(wire.bytes_per_second / kPiecesPerSecond, 1));
  }
  if (wire.stall_after && position < *wire.stall_after) {
    size = std::min(size, *wire.stall_after - position);
  }
  return size;
}

steady_clock::duration time_for(std::uint64_t bytes, std::uint64_t bytes_per_second) {
  return std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(
      static_cast<double>(bytes) / static_cast<double>(bytes_per_second)));
}

}  // namespace

bool Connection::receive_more() {
  while (true) {
    pollfd waits[] = {{socket_.get(), POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return false;
    if (waits[1].revents != 0) return false;
    if (waits[0].revents == 0) continue;
    char bytes[16 << 10];
    const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
}

std::optional<Request> Connection::read_request() {
  std::size_t head_end = 0;
  while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (buffer_.size() > kMaxHead || !receive_more()) return std::nullopt;
  }
  std::optional<Request> request = parse_head(std::string_view(buffer_).substr(0, head_end));
  buffer_.erase(0, head_end + 4);
  if (!request) return std::nullopt;
  const std::string length_text = request->headers.get("Content-Length");
  std::size_t length = 0;
  std::from_chars(length_text.data(), length_text.data() + length_text.size(), length);
  if (length > kMaxRequestBody) return std::nullopt;
  if (length > 0 && request->headers.get("Expect") == "100-continue" &&
      !send("HTTP/1.1 100 Continue\r\n\r\n")) {
    return std::nullopt;
  }
  while (buffer_.size() < length) {
    if (!receive_more()) return std::nullopt;
  }
  request->body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return request;
}

bool Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    pollfd waits[] = {{socket_.get(), POLLOUT, 0}, {stop_fd_, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return false;
    if (waits[1].revents != 0) return false;
  }
  return true;
}

bool Connection::pause(std::chrono::nanoseconds duration) {
  const auto deadline = steady_clock::now() + duration;
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0)) return true;
    // Not POLLIN: a pipelining client still gets its body.
    pollfd waits[] = {{socket_.get(), POLLRDHUP, 0}, {stop_fd_, POLLIN, 0}};
    const auto timeout = std::min<std::int64_t>(left.count(), std::numeric_limits<int>::max());
    if (::poll(waits, 2, static_cast<int>(timeout)) < 0 && errno != EINTR) return false;
    if (waits[0].revents != 0 || waits[1].revents != 0) return false;
  }
}

bool Connection::send_head(const Request& request, const Response& response) {
  const Wire& wire = response.wire;
  std::string head =
      fmt::format("{}HTTP/1.1 {} {}\r\n", wire.before, response.status, reason(response.status));
  for (const auto& [name, value] : response.headers.all()) {
    head += fmt::format("{}: {}\r\n", name, value);
  }
  const bool bodyless = response.status == 304 || response.status == 204;
  if (wire.framing == Wire::Framing::kLength && !bodyless &&
      response.headers.find("Content-Length") == nullptr) {
    head +=
        fmt::format("Content-Length: {}\r\n",
                    wire.declared_length.value_or(static_cast<std::int64_t>(response.body_size())));
  }
  if (wire.framing == Wire::Framing::kNone && !request.is_head()) head += "Connection: close\r\n";
  if (wire.framing == Wire::Framing::kChunked ||
      wire.framing == Wire::Framing::kChunkedWithoutEnd) {
    head += "Transfer-Encoding: chunked\r\n";
  }
  head += "\r\n";
  if (wire.header_pause <= milliseconds(0)) return send(head);
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (!send(std::string_view(head).substr(i, 1)) || !pause(wire.header_pause)) return false;
  }
  return true;
}

std::uint64_t Connection::send_body(const Response& response, bool& ok) {
  const Wire& wire = response.wire;
  const BodySource source(response);
  const bool chunked =
      wire.framing == Wire::Framing::kChunked || wire.framing == Wire::Framing::kChunkedWithoutEnd;
  std::uint64_t end = response.body_size() + wire.extra_bytes;
  if (wire.cut_after) end = std::min(end, *wire.cut_after);
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(end, kBuffer)));
  const auto start = steady_clock::now();
  std::uint64_t position = 0;
  ok = false;
  while (position < end) {
    if (wire.stall_after == position && !pause(wire.stall)) return position;
    const std::uint64_t size = piece_size(wire, position, end);
    const std::span<std::byte> piece(buffer.data(), static_cast<std::size_t>(size));
    if (!source.fill(position, piece)) return position;
    const std::string_view text(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (chunked && !send(fmt::format("{:x}\r\n", size))) return position;
    if (!send(text) || (chunked && !send("\r\n"))) return position;
    position += size;
    if (wire.piece > 0 && !pause(wire.piece_pause)) return position;
    if (wire.bytes_per_second > 0 &&
        !pause(start + time_for(position, wire.bytes_per_second) - steady_clock::now())) {
      return position;
    }
  }
  // A stall at the very end holds back a cut, a chunked terminator or the next answer.
  if (wire.stall_after == position && position == end && !pause(wire.stall)) return position;
  ok = wire.framing != Wire::Framing::kChunked || wire.cut_after || send("0\r\n\r\n");
  return position;
}

void Connection::finish(Wire::End end) {
  if (end == Wire::End::kReset) {
    // A reset drops what the kernel still holds; the test was promised these bytes on the wire.
    int unsent = 0;
    for (int i = 0; i < 2000; ++i) {
      if (::ioctl(socket_.get(), SIOCOUTQ, &unsent) != 0 || unsent == 0) break;
      if (!pause(milliseconds(1))) break;
    }
    const linger hard{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  socket_.reset();
}

Connection::Sent Connection::write_response(const Request& request, const Response& response) {
  const Wire& wire = response.wire;
  Sent sent;
  bool ok = pause(wire.delay);
  Wire::End end = wire.end;
  if (wire.raw) {
    ok = ok && send(*wire.raw);
    end = Wire::End::kClose;
  } else if (!wire.nothing && ok) {
    ok = send_head(request, response);
    if (ok && has_body(request, response)) sent.body_bytes = send_body(response, ok);
    // Without a length or terminator only the close tells the end.
    const bool needs_close = wire.framing == Wire::Framing::kNone ||
                             wire.framing == Wire::Framing::kChunkedWithoutEnd ||
                             equal_ignoring_case(request.headers.get("Connection"), "close");
    if (needs_close && end == Wire::End::kKeepAlive) end = Wire::End::kClose;
  }
  sent.open = ok && end == Wire::End::kKeepAlive;
  if (!sent.open) finish(end);
  return sent;
}

}  // namespace castool::hub
