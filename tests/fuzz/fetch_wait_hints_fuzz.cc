#include <chrono>

#include "fetch/wait_hints.h"
#include "tests/fuzz/fuzz.h"

using castool::fuzz::require;
namespace fetch = castool::fetch;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = castool::fuzz::text_of(data, size);
  const castool::base::Clock::Wall now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21);
  const auto wait = fetch::parse_retry_after(text, now);
  require(!wait || wait->count() >= 0, "no wait is negative");
  const auto limit = fetch::parse_rate_limit(text);
  require(!limit || limit->reset.count() >= 0, "no window ends in the past");
  return 0;
}
