// How often files of a mount were opened, by the way in which they are read; for whoever shows it.
#pragma once

#include <atomic>
#include <cstdint>

namespace castool::fusefs {

struct OpenCounts {
  std::atomic<std::uint64_t> native{0};   // by the kernel itself
  std::atomic<std::uint64_t> cached{0};   // through the daemon and the page cache
  std::atomic<std::uint64_t> filling{0};  // of what is not here yet
  std::atomic<std::uint64_t> failed{0};
};

class Mount;
// Those of a mount that Mount::start() made; they go with it.
[[nodiscard]] const OpenCounts& open_counts(const Mount& mount);

}  // namespace castool::fusefs
