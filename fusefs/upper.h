// What programs wrote over the graph.pbtxt of a model: a small copy-on-write layer above the view.
//
// A cover is kept for a place (the model's path in the ovms layout) together with the sha256 of the
// text that it covers: once the view shows another text there, since options or revision changed,
// the cover lies over nothing and the new text is seen. One cover a place, the last one written.
//
// In memory, or also in a directory, where it survives the mount:
//   <directory>/<place>/graph.pbtxt.<64 hex: sha256 of what it covers>      the text, whole
// replaced by rename, durable when put() returns. One mount at a time uses a directory (flock).
//
// Safe from any thread. No lock is held over I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/file_ops.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace castool::fusefs {

class Upper {
 public:
  static constexpr std::size_t kMaxText = 1u << 20;
  static constexpr std::size_t kMaxTotal = 64u << 20;

  struct Cover {
    std::shared_ptr<const std::string> text;
    std::int64_t mtime = 0;  // seconds since the epoch
  };

  Upper() = default;  // in memory
  // Makes the directory if need be and takes in what is there. kBusy: another mount uses it, also
  // after `patience`; without one, who uses it is about to hand over to the caller.
  [[nodiscard]] static base::Result<std::unique_ptr<Upper>> open(
      const std::string& directory, base::FileOps& files, base::Log& log,
      std::optional<std::chrono::milliseconds> patience = std::chrono::milliseconds(0));

  // All there is, and the same for another one (handover_state.h). Nothing is written.
  struct Placed {
    std::string place;
    base::Digest covered;
    Cover cover;
  };
  [[nodiscard]] std::vector<Placed> all() const;
  void adopt(std::vector<Placed> covers);

  [[nodiscard]] std::optional<Cover> find(const std::string& place,
                                          const base::Digest& covered) const;
  // kNoSpace: larger than the limits, or a full disk; then nothing has changed.
  [[nodiscard]] base::Status put(const std::string& place, const base::Digest& covered,
                                 std::string text);

 private:
  struct Entry {
    base::Digest covered;
    Cover cover;
  };

  void take_in(const std::filesystem::path& file, base::Log& log);
  [[nodiscard]] base::Status write(const std::string& place, const base::Digest& covered,
                                   const std::string& text);

  base::FileOps* files_ = nullptr;  // null: in memory only
  base::UniqueFd directory_;
  mutable base::Mutex mutex_;
  std::map<std::string, Entry> covers_ CASTOOL_GUARDED_BY(mutex_);
  std::size_t total_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::uint64_t last_name_ CASTOOL_GUARDED_BY(mutex_) = 0;
};

}  // namespace castool::fusefs
