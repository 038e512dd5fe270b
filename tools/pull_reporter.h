// Turns what happens in a pull into events on standard output or progress on standard error.
// Called by the pull, one call at a time.
#pragma once

#include <string>

#include "pull/puller.h"
#include "tools/output.h"
#include "tools/progress_display.h"

namespace castool::tools {

// --json: every event is a line.
class JsonReporter final : public pull::PullEvents {
 public:
  explicit JsonReporter(Output& out) : out_(out) {}
  void on_status(const std::string& text) override;
  void on_progress(const std::string& label, const std::string& digest, std::uint64_t total,
                   std::uint64_t completed) override;

 private:
  Output& out_;
};

class DisplayReporter final : public pull::PullEvents {
 public:
  explicit DisplayReporter(ProgressDisplay& display) : display_(display) {}
  void on_status(const std::string& text) override;
  void on_progress(const std::string& label, const std::string& digest, std::uint64_t total,
                   std::uint64_t completed) override;

 private:
  ProgressDisplay& display_;
};

// -q and --no-progress.
class SilentReporter final : public pull::PullEvents {
 public:
  void on_status(const std::string&) override {}
  void on_progress(const std::string&, const std::string&, std::uint64_t, std::uint64_t) override {}
};

// "acme/x: 312 files, 1.1 GiB (fetched 1.0 GiB, reused 12.0 MiB) in 3.1 s, sha256:…"
[[nodiscard]] std::string success_line(const pull::PullOutcome& outcome);

}  // namespace castool::tools
