// castool-test-hub: a Hugging Face Hub, an Ollama registry and their CDN on loopback, for tests and
// as the sample origin of tools/try.
//
// Prints one line of JSON with its addresses when it serves; ends on SIGTERM and SIGINT, and with
// --exit-with-stdin when its standard input closes, so that a crashed test leaves nothing behind.

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "tests/support/hub/sample.h"
#include "tests/support/hub/test_hub.h"

namespace {

constexpr const char* kUsage =
    "usage: castool-test-hub [--port N] [--cdn-port N] [--root DIR] [--sample] "
    "[--exit-with-stdin]\n"
    "       castool-test-hub --write-sample DIR\n"
    "  --port N            port of the hub and the registry (0, the default: any)\n"
    "  --cdn-port N        port of the CDN\n"
    "  --root DIR          serve DIR/hub/<org>/<name> and DIR/registry/<ns>/<model>\n"
    "  --sample            serve the sample models too\n"
    "  --exit-with-stdin   end when standard input closes\n"
    "  --write-sample DIR  write the sample models as files, for --root, and end\n";

struct Arguments {
  castool::hub::TestHub::Options hub;
  std::optional<std::string> write_sample;
  bool exit_with_stdin = false;
  bool help = false;
};

std::uint16_t parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument(fmt::format("not a port: {}", text));
  }
  return port;
}

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto value = [&]() -> std::string {
      if (++i == argc) throw std::invalid_argument(fmt::format("{} needs a value", option));
      return argv[i];
    };
    if (option == "--port") {
      arguments.hub.port = parse_port(value());
    } else if (option == "--cdn-port") {
      arguments.hub.cdn_port = parse_port(value());
    } else if (option == "--root") {
      arguments.hub.root = value();
    } else if (option == "--sample") {
      arguments.hub.sample = true;
    } else if (option == "--write-sample") {
      arguments.write_sample = value();
    } else if (option == "--exit-with-stdin") {
      arguments.exit_with_stdin = true;
    } else if (option == "--help") {
      arguments.help = true;
    } else {
      throw std::invalid_argument(fmt::format("unknown option: {}", option));
    }
  }
  return arguments;
}

// Blocks the signals for every thread that is started later.
castool::base::UniqueFd end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return castool::base::UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

// Every file served stays open, and so does every connection.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void wait_for_end(int signals, bool watch_stdin) {
  while (true) {
    pollfd waits[] = {{signals, POLLIN, 0}, {watch_stdin ? STDIN_FILENO : -1, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0) continue;
    if (waits[0].revents != 0) return;
    char ignored[256];
    if (waits[1].revents != 0 && ::read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return;
  }
}

int run(const Arguments& arguments) {
  if (arguments.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (arguments.write_sample) {
    castool::hub::Sample().write_to(*arguments.write_sample);
    return 0;
  }
  const castool::base::UniqueFd signals = end_signals();
  raise_descriptor_limit();
  const castool::hub::TestHub hub(arguments.hub);
  std::printf("%s\n", hub.addresses().c_str());
  std::fflush(stdout);
  wait_for_end(signals.get(), arguments.exit_with_stdin);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse_arguments(argc, argv));
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "castool-test-hub: %s\n%s", error.what(), kUsage);
    return 64;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "castool-test-hub: %s\n", error.what());
    return 1;
  }
}
