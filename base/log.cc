#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace castool::base {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel least)
      : logger_("castool", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%n: %v");
    logger_.set_level(to_spdlog(least));
  }
  void write(LogLevel level, std::string_view message) override {
    logger_.log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
  }
  [[nodiscard]] bool enabled(LogLevel level) const override {
    return logger_.should_log(to_spdlog(level));
  }

 private:
  spdlog::logger logger_;
};

class NullLog final : public Log {
 public:
  void write(LogLevel, std::string_view) override {}
  [[nodiscard]] bool enabled(LogLevel) const override { return false; }
};

}  // namespace

std::unique_ptr<Log> make_stderr_log(LogLevel least) { return std::make_unique<StderrLog>(least); }

std::unique_ptr<Log> make_null_log() { return std::make_unique<NullLog>(); }

}  // namespace castool::base
