// The options of `ovms --pull` as a graph takes them: typed reading with OVMS's own checks.
// Facts: docs/semantics.md "OVMS"; defaults and checks of OVMS 2026.3. Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace castool::manifest {

using OvmsOptions = std::map<std::string, std::string>;

// A release of OVMS, as far as the form of graphs depends on it.
struct OvmsVersion {
  int year = 2026;
  int release = 3;
  friend auto operator<=>(const OvmsVersion&, const OvmsVersion&) = default;
};
// First releases of: the line that sizes the queue of graphs; the packet of execution contexts of
// language models, and leaving the device to OVMS when none was given (CPU was written before).
inline constexpr OvmsVersion kOvmsQueueLine{2026, 2};
inline constexpr OvmsVersion kOvmsExecutionContexts{2026, 3};
inline constexpr OvmsVersion kOvmsChoosesDevice{2026, 3};
// Of option "ovms-version": YEAR.RELEASE[.anything]; 2026.3 when it is absent.
[[nodiscard]] base::Result<OvmsVersion> ovms_version(const OvmsOptions& options);

// kUsage naming option and value, in OVMS's form: "option: VALUE is not allowed (...)".
[[nodiscard]] base::Error bad_option(std::string_view option, std::string_view value,
                                     std::string_view rule);

// Refuses an option that neither `task_options` nor the options shared by all tasks have.
[[nodiscard]] base::Status check_option_names(std::string_view task, const OvmsOptions& options,
                                              std::span<const std::string_view> task_options);

[[nodiscard]] std::optional<std::string> option(const OvmsOptions& options, std::string_view name);
// Decimal digits, at most `limit`.
[[nodiscard]] base::Result<std::optional<std::uint64_t>> number_option(const OvmsOptions& options,
                                                                       std::string_view name,
                                                                       std::uint64_t limit);
// One of `allowed`.
[[nodiscard]] base::Result<std::optional<std::string>> word_option(
    const OvmsOptions& options, std::string_view name, std::span<const std::string_view> allowed);

// A decimal number, as a float prints shortest.
[[nodiscard]] base::Result<std::optional<std::string>> float_option(const OvmsOptions& options,
                                                                    std::string_view name);

// --target_device; what the release writes for none when it is absent or empty.
[[nodiscard]] std::optional<std::string> device_option(const OvmsOptions& options,
                                                       OvmsVersion version);
// CPU, GPU, NPU, AUTO, GPU.<digits>, or what begins with HETERO or AUTO, as text generation checks
// it; other tasks take any text.
[[nodiscard]] base::Status check_device(const OvmsOptions& options);

// The directory of a draft model inside the model's own, from what --draft_source_model says.
[[nodiscard]] std::string draft_directory(std::string_view source);

// Members that a task adds to the plug-in configuration.
struct PluginAdditions {
  std::optional<std::string> kv_cache_precision;
  std::optional<std::uint64_t> max_prompt_len;
  std::optional<std::string> model_distribution_policy;
  std::optional<std::uint64_t> num_streams;
  bool npu_prefix_caching = false;
};
// The plug-in configuration as compact JSON: the user's --plugin_config first, then what the other
// options add, in OVMS's order; empty when there is nothing. A text that is not a JSON object and a
// key set twice are kUnsupported, not kUsage: OVMS exits with 1 there and not with 64.
[[nodiscard]] base::Result<std::string> plugin_config(const OvmsOptions& options,
                                                      const PluginAdditions& additions);

}  // namespace castool::manifest
