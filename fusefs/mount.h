// A mounted view of one namespace: builds trees from refs, answers the kernel, follows changes.
//
// Low-level libfuse (session.cc is the only file that knows it). The view follows the refs within a
// second; files that are open keep their bytes. start() returns when the directory is readable.
#pragma once

#include <sys/types.h>

#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "fusefs/blob_filler.h"
#include "fusefs/store_blobs.h"
#include "fusefs/views/on_demand_patterns.h"
#include "fusefs/views/placement.h"
#include "fusefs/views/view.h"
#include "fusefs/waiting_lookups.h"

namespace castool::fusefs {

struct MountOptions {
  std::string directory;
  Layout layout = Layout::kOvms;
  uid_t uid = 0;
  gid_t gid = 0;
  bool allow_other = false;
  std::string source_name;  // what mount(8) shows as device: the store's path
  Trust trust = Trust::kCheck;
  MayRead may_read;               // outlives the mount
  OnDemandPatterns on_demand;     // models that are brought here when they are looked for,
  ModelFinder* finder = nullptr;  // by this one, which outlives the mount
  OnDemandListed listed = OnDemandListed::kNo;
  std::string control_directory;  // of the socket by which it can be replaced; "": it cannot
  bool replace = false;           // take over what is mounted there, if anything is
  // Where what is written over graph.pbtxt is kept; empty: in memory, until it is unmounted.
  std::string upper;
};

class Mount {
 public:
  // Errors: kBusy (something is mounted there, or it cannot be replaced; then it is as it was),
  // kUnsupported (no /dev/fuse, no fusermount3: the hint says what to install), kUsage (not a
  // directory). `filler` brings what the store lacks and outlives the mount; null: reading that is
  // EIO.
  [[nodiscard]] static base::Result<std::unique_ptr<Mount>> start(
      const MountOptions& options, cas::Store& store, cas::RefStore& refs, BlobFiller* filler,
      base::Clock& clock, base::Log& log);
  virtual ~Mount() = default;  // unmounts what is still its own
  // Serves until the directory is unmounted, another process has taken it over, or `stop` is
  // requested; then everything is answered and unmounted.
  [[nodiscard]] virtual base::Status run(std::stop_token stop) = 0;
};

// Whether the daemon of what is mounted at `directory` is gone: nothing can be read there until it
// is unmounted.
[[nodiscard]] bool is_without_daemon(const std::string& directory);

// Ends a mount of ours from another process; kBusy when files are open and `lazy` is not asked for.
enum class Detach { kWhenIdle, kLazy };
[[nodiscard]] base::Status unmount(const std::string& directory, Detach detach);

}  // namespace castool::fusefs
