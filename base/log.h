// Where a component says what it noticed. Passed in by whoever wires the program; there is no
// global logger. Messages are one line and never carry a token, a signed URL or a request header.
// Safe from any thread; may block on the sink's output, so not to be called under a Mutex.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace castool::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view message) = 0;
  [[nodiscard]] virtual bool enabled(LogLevel level) const = 0;

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::kDebug, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::kInfo, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::kWarn, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::kError, format, std::forward<Args>(args)...);
  }

 private:
  template <class... Args>
  void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
  }
};

// A log on standard error, "castool: message" a line.
[[nodiscard]] std::unique_ptr<Log> make_stderr_log(LogLevel least);
// A log that forgets, for tests and for `-q`.
[[nodiscard]] std::unique_ptr<Log> make_null_log();

}  // namespace castool::base
