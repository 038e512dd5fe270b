// One pull from source to ref: resolve, fetch what the store has not, verify, publish, name.
//
// Order (each step durable before the next): blobs -> manifest blob -> ref. An interruption
// anywhere leaves blobs and partials that the next pull uses; a ref never says more than what is
// durable. A lazy pull leaves large blobs out, but for the headers of model files: its ref says
// "partial". Puller is used by one thread; PullEvents are called from several, one call at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "fetch/downloader.h"
#include "fetch/http_client.h"
#include "manifest/ref_record.h"
#include "manifest/source.h"

namespace castool::pull {

// Where origins are and who we are to them; read from the environment by tools/, never stored.
struct Origins {
  std::string hub_endpoint = "https://huggingface.co";         // HF_ENDPOINT
  std::string ollama_registry = "https://registry.ollama.ai";  // CASTOOL_OLLAMA_REGISTRY
  std::string hub_token;                                       // empty: anonymous
  std::string ollama_key_path;                                 // ~/.ollama/id_ed25519
  bool offline = false;                                        // HF_HUB_OFFLINE
};

enum class Mode { kFetch, kDryRun };
// Whether large blobs whose digest is known are fetched now, or on first read (--lazy).
enum class Extent { kWhole, kLazy };
// Whether somebody named the model, or only looked for it in a mount.
enum class Asked { kByName, kOnDemand };
// Whether the ref is written, or only what it would name is stored.
enum class Naming { kWrite, kLeave };
enum class Recheck { kNo, kYes };  // --force
// Whether a model has to have a task of OVMS, or gets one only if OVMS could serve it.
enum class TaskWanted { kIfServable, kAlways };
// Whether options are added to those of an earlier pull, or are all there are (`ovms --pull` writes
// its graph anew each time).
enum class OptionsChange { kAdd, kReplace };
enum class PlainHttp { kRefuse, kAllow };  // --insecure

struct PullRequest {
  manifest::Source source;
  std::optional<std::string> name;  // --name
  std::vector<std::string> include, exclude;
  std::vector<std::string> required;  // paths without which the repository is of no use
  Mode mode = Mode::kFetch;
  Extent extent = Extent::kWhole;
  Asked asked = Asked::kByName;
  Naming naming = Naming::kWrite;
  Recheck recheck = Recheck::kNo;
  PlainHttp plain_http = PlainHttp::kRefuse;
  int connections =
      16;  // of the budget that `http` and `downloader` share: how much to begin at once
  // OVMS's part, kept with the ref; empty task: what an earlier pull said, else inferred. Options
  // draft_source_model and source_loras bring other repositories into the model's directory.
  TaskWanted task_wanted = TaskWanted::kIfServable;
  OptionsChange options_change = OptionsChange::kAdd;
  std::string task;
  std::map<std::string, std::string> options;
  std::string served_name;
};

struct PlannedFile {
  std::string path;
  std::uint64_t bytes = 0;
  std::string digest;  // "sha256:…", or "git-sha1:…" when only that is known yet
  bool present = false;
  bool later = false;  // left to its first reader
};

struct PullOutcome {
  std::string name;
  base::Digest manifest;
  std::string revision;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_fetched = 0;
  std::uint64_t bytes_reused = 0;  // present now, and not fetched by this pull
  double seconds = 0;
  std::vector<PlannedFile> planned;  // of a dry run
};

class PullEvents {
 public:
  virtual ~PullEvents() = default;
  // A status line of Ollama's API: "pulling manifest", "verifying sha256 digest", "writing
  // manifest".
  virtual void on_status(const std::string& text) = 0;
  // Progress of one file or layer; `completed` never goes back and never exceeds `total`. `digest`
  // may be empty while only a git id is known; `label` is the path or "pulling <12 hex>".
  virtual void on_progress(const std::string& label, const std::string& digest, std::uint64_t total,
                           std::uint64_t completed) = 0;
};

struct PullContext {
  cas::Store& store;
  cas::RefStore& refs;
  fetch::HttpClient& http;
  fetch::Downloader& downloader;
  const Origins& origins;
  base::Clock& clock;
  base::Log& log;
};

[[nodiscard]] base::Result<PullOutcome> pull(const PullContext& context, const PullRequest& request,
                                             PullEvents& events, std::stop_token stop);

}  // namespace castool::pull
