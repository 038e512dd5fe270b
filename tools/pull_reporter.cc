#include "tools/pull_reporter.h"

#include <fmt/format.h>

#include "tools/json_lines.h"
#include "tools/quantity.h"

namespace castool::tools {

void JsonReporter::on_status(const std::string& text) { out_.line(status_event(text)); }

void JsonReporter::on_progress(const std::string& label, const std::string& digest,
                               std::uint64_t total, std::uint64_t completed) {
  out_.line(progress_event(label, digest, total, completed));
}

void DisplayReporter::on_status(const std::string& text) { display_.status(text); }

void DisplayReporter::on_progress(const std::string& label, const std::string&, std::uint64_t total,
                                  std::uint64_t completed) {
  display_.progress(label, total, completed);
}

std::string success_line(const pull::PullOutcome& outcome) {
  return fmt::format("{}: {} file{}, {} (fetched {}, reused {}) in {}, {}", printable(outcome.name),
                     outcome.files, outcome.files == 1 ? "" : "s", human_size(outcome.bytes),
                     human_size(outcome.bytes_fetched), human_size(outcome.bytes_reused),
                     human_duration(outcome.seconds), outcome.manifest.text());
}

}  // namespace castool::tools
