// The kernel's own knobs of one mount (fusectl, /sys/fs/fuse/connections/N).
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"

namespace castool::fusefs {

class FuseControl {
 public:
  // Of the mount with that st_dev. Where nobody has mounted fusectl and castool may, it is opened
  // without mounting it anywhere. kUnsupported: no way to it.
  [[nodiscard]] static base::Result<FuseControl> open(dev_t device);

  // Ends the connection: every request under way and every later one gets an error. Does not block.
  void abort() const;
  // How many requests that nobody waits for directly (read-ahead) the kernel lets be unanswered
  // before it lets everybody wait.
  [[nodiscard]] base::Result<std::uint32_t> max_background() const;

 private:
  FuseControl(base::UniqueFd directory, base::UniqueFd abort)
      : directory_(std::move(directory)), abort_(std::move(abort)) {}

  base::UniqueFd directory_;
  base::UniqueFd abort_;
};

// What a mount without privilege gets at most, whatever it asks for.
[[nodiscard]] std::uint32_t unprivileged_max_background();

}  // namespace castool::fusefs
