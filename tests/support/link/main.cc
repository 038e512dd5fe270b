// castool-test-link: a long link on loopback, for the bench. Connections to it go on to another
// port of this machine, with a delay each way and a rate that all of them share downwards.
//
// Prints the port it listens on; ends when its standard input closes.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>

#include "base/unique_fd.h"
#include "tests/support/link/delayed_pipe.h"

namespace {

using castool::base::UniqueFd;
using castool::link::DelayedPipe;
using castool::link::LinkRate;

struct Arguments {
  std::uint16_t to = 0;
  std::chrono::milliseconds delay{0};
  std::uint64_t bytes_per_second = 0;
};

std::uint64_t parse_number(std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) {
    throw std::invalid_argument("not a number in range: " + std::string(text));
  }
  return value;
}

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string_view value = argv[i + 1];
    if (option == "--to") {
      arguments.to = static_cast<std::uint16_t>(parse_number(value, 65535));
    } else if (option == "--delay-ms") {
      arguments.delay = std::chrono::milliseconds(parse_number(value, 60'000));
    } else if (option == "--bytes-per-second") {
      arguments.bytes_per_second = parse_number(value, 1ULL << 40);
    } else {
      throw std::invalid_argument("unknown option: " + std::string(option));
    }
  }
  if (arguments.to == 0) throw std::invalid_argument("--to PORT is needed");
  return arguments;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

UniqueFd new_socket() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) throw std::system_error(errno, std::generic_category(), "socket");
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Serves one connection until both directions have ended.
void carry(const UniqueFd& client, const Arguments& arguments,
           std::shared_ptr<LinkRate> down_rate) {
  const UniqueFd origin = new_socket();
  const sockaddr_in address = loopback(arguments.to);
  if (::connect(origin.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return;
  }
  // The handshake takes a round trip.
  const auto opens_at = std::chrono::steady_clock::now() + 2 * arguments.delay;
  DelayedPipe up(client.get(), origin.get(), opens_at, arguments.delay,
                 std::make_shared<LinkRate>(0));
  DelayedPipe down(origin.get(), client.get(), opens_at, arguments.delay, std::move(down_rate));
  const std::jthread feed_up([&up] { up.feed(); });
  const std::jthread drain_up([&up] { up.drain(); });
  const std::jthread feed_down([&down] { down.feed(); });
  down.drain();
}

int run(const Arguments& arguments) {
  const UniqueFd listener = new_socket();
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::listen(listener.get(), 128) != 0 ||
      ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::system_error(errno, std::generic_category(), "listen");
  }
  std::printf("%u\n", unsigned{ntohs(address.sin_port)});
  std::fflush(stdout);
  const auto down_rate = std::make_shared<LinkRate>(arguments.bytes_per_second);
  while (true) {
    pollfd waits[] = {{listener.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0) continue;
    char ignored[256];
    // Connections that are under way end with the process.
    if (waits[1].revents != 0 && ::read(STDIN_FILENO, ignored, sizeof ignored) <= 0) std::_Exit(0);
    if ((waits[0].revents & POLLIN) == 0) continue;
    UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.get() < 0) continue;
    const int on = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread([client = std::move(client), arguments, down_rate] {
      carry(client, arguments, down_rate);
    }).detach();
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse_arguments(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "castool-test-link: %s\n", error.what());
    return 64;
  }
}
