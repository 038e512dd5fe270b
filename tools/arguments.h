// What was asked for on the command line, as values: the border between the parser and the
// commands. Option texts with a grammar of their own (sizes, durations) are parsed already.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/listener.h"
#include "fusefs/mount.h"
#include "manifest/source.h"
#include "pull/fsck.h"
#include "pull/lazy_blob.h"
#include "pull/puller.h"
#include "tools/ovms_arguments.h"

namespace castool::tools {

// Options that stand before or after any command. Absent ones come from the environment.
struct GlobalArguments {
  std::optional<std::string> store;
  std::optional<std::string> ns;
  std::optional<std::string> socket;
  std::optional<std::string> token_file;
  std::optional<std::chrono::nanoseconds> timeout;
  bool json = false;
  bool quiet = false;
  int verbose = 0;
  bool no_progress = false;
};

struct PullArguments {
  std::vector<std::string> sources;
  std::optional<std::string> name;
  std::optional<std::string> revision;
  std::optional<manifest::SourceKind> from;
  std::vector<std::string> include, exclude;
  int connections = 16;
  std::uint64_t bytes_per_second = 0;  // 0: no limit
  bool force = false;
  bool dry_run = false;
  bool tell_changes = false;  // a dry run tells what would change of the ref, not all files
  bool lazy = false;
  bool insecure = false;
  OvmsArguments ovms;
  pull::Asked asked = pull::Asked::kByName;  // kOnDemand: update of what nobody named
};

// Where the HTTP API is served and to whom.
struct ListenArguments {
  std::optional<api::TcpAddress> address;
  std::optional<std::string> socket_path;
  api::SocketAccess socket_access;
  std::vector<std::string> allowed_registries;
  std::optional<std::string> auth_token_file;
  [[nodiscard]] bool wanted() const { return address || socket_path; }
};

struct ServeArguments {
  ListenArguments listen;
  bool registry = false;
  std::optional<std::uint64_t> max_size;
};

struct MountArguments {
  std::string directory;
  fusefs::Layout layout = fusefs::Layout::kOvms;
  bool foreground = false;
  bool trust_store = false;
  bool replace = false;
  pull::Fill fill = pull::Fill::kTouched;
  pull::Verify verify = pull::Verify::kLazy;
  fusefs::OnDemandPatterns on_demand;
  fusefs::OnDemandListed listed = fusefs::OnDemandListed::kNo;
  std::string upper;         // empty: in memory
  std::optional<uid_t> uid;  // of -o
  std::optional<gid_t> gid;
  bool allow_other = false;
  ListenArguments listen;
  std::optional<std::uint64_t> max_size;
};

struct UmountArguments {
  std::string directory;
  bool lazy = false;
};

struct LsArguments {
  bool all_namespaces = false;
};

struct ShowArguments {
  std::vector<std::string> names;
};

struct RmArguments {
  std::vector<std::string> names;
};

struct SetArguments {
  std::string name;
  OvmsArguments ovms;
};

enum class ExportAs { kCopies, kLinks };

struct ExportArguments {
  std::string name;
  std::string directory;
  std::optional<fusefs::Layout> layout;  // none: plain
  ExportAs as = ExportAs::kCopies;
};

// list-models, add-to-config, remove-from-config: an option of OVMS as a command.
struct OvmsCommandArguments {
  std::string command;
  std::string flag;
  OvmsArguments ovms;
};

struct DfArguments {};
struct StatusArguments {};

struct GcArguments {
  bool dry_run = false;
  bool partials = false;
  std::optional<std::uint64_t> max_size;
};

struct PinArguments {
  std::vector<std::string> names;
  bool pinned = true;  // pin, or unpin
};

struct CpArguments {
  std::string from, to;
};

struct FsckArguments {
  std::vector<std::string> names;
  bool repair = false;
  bool quick = false;
  bool dry_run = false;
  pull::Subset subset;
};

struct ImportArguments {
  std::string path;
  std::optional<std::string> name;
};

struct QuotaArguments {
  std::optional<std::string> ns;
  std::optional<std::uint64_t> bytes;
  bool remove = false;  // SIZE was "none"
};

struct UpdateArguments {
  std::vector<std::string> names;  // empty: all
  bool dry_run = false;
};

using CommandArguments =
    std::variant<PullArguments, MountArguments, ServeArguments, UmountArguments, LsArguments,
                 ShowArguments, RmArguments, DfArguments, StatusArguments, SetArguments,
                 ExportArguments, OvmsCommandArguments, GcArguments, PinArguments, CpArguments,
                 UpdateArguments, FsckArguments, ImportArguments, QuotaArguments>;

struct Invocation {
  GlobalArguments global;
  std::string command;  // its name, for messages
  CommandArguments arguments;
};

// --help or --version: print it, nothing else is to be done.
struct Text {
  std::string text;
};

}  // namespace castool::tools
