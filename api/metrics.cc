#include "api/metrics.h"

#include <string_view>

#include <fmt/format.h>

namespace castool::api {
namespace {

void describe(std::string& text, std::string_view name, std::string_view type,
              std::string_view help) {
  text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void counter(std::string& text, std::string_view name, std::string_view help, std::uint64_t value) {
  describe(text, name, "counter", help);
  text += fmt::format("{} {}\n", name, value);
}

}  // namespace

void Metrics::pull_ended(const base::Result<pull::PullOutcome>& outcome) {
  const base::MutexLock lock(mutex_);
  if (!outcome) {
    ++errors_[std::string(base::word(outcome.error().code))];
    return;
  }
  ++pulls_;
  fetched_ += outcome->bytes_fetched;
  reused_ += outcome->bytes_reused;
  verified_ += outcome->bytes;
}

void Metrics::request_answered(int status) {
  const base::MutexLock lock(mutex_);
  ++answers_[status];
}

std::string Metrics::text() const {
  std::string text;
  {
    const base::MutexLock lock(mutex_);
    counter(text, "castool_pulls_total", "Pulls that ended well.", pulls_);
    describe(text, "castool_pull_errors_total", "counter", "Pulls that failed, by kind of error.");
    for (const auto& [word, count] : errors_) {
      text += fmt::format("castool_pull_errors_total{{kind=\"{}\"}} {}\n", word, count);
    }
    counter(text, "castool_fetched_bytes_total", "Bytes that came from origins for pulls.",
            fetched_);
    counter(text, "castool_reused_bytes_total", "Bytes that pulls found in the store.", reused_);
    counter(text, "castool_verified_bytes_total",
            "Bytes of pulled models that match their digests.", verified_);
    describe(text, "castool_http_requests_total", "counter", "Requests answered, by status.");
    for (const auto& [status, count] : answers_) {
      text += fmt::format("castool_http_requests_total{{code=\"{}\"}} {}\n", status, count);
    }
  }
  // Others' locks are not taken under ours.
  std::string_view last;
  for (const Gauge& gauge : gauges_) {
    if (gauge.name != last) {
      describe(text, gauge.name, gauge.kind == Gauge::Kind::kCounter ? "counter" : "gauge",
               gauge.help);
    }
    last = gauge.name;
    const std::string labels = gauge.labels.empty() ? "" : "{" + gauge.labels + "}";
    text += fmt::format("{}{} {}\n", gauge.name, labels, gauge.value());
  }
  return text;
}

}  // namespace castool::api
