#include "pull/import.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/hasher.h"
#include "cas/lease.h"
#include "cas/partial.h"
#include "cas/quota_store.h"
#include "cas/read_file.h"
#include "manifest/manifest.h"
#include "manifest/printable.h"
#include "pull/parallel.h"
#include "pull/quota.h"
#include "pull/ref_update.h"
#include "pull/registry_client.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Digest;
using base::make_error;
using base::Result;
using base::Status;

// Where files without an origin claim to come from: a name that can never be one.
constexpr std::string_view kNowhere = "https://import.invalid";
constexpr std::string_view kNoRepository = "import/local";

// Links lead to other places of the same tree, or are refused.
Result<base::UniqueFd> open_beneath(int root, const std::string& path) {
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a pipe would be waited for otherwise
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  base::UniqueFd fd;
  do {
    fd.reset(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
  } while (!fd && errno == EINTR);
  if (!fd) {
    const int saved = errno;
    if (saved == EXDEV) {
      return make_error(Code::kUsage, path + " is a link that leads out of the directory");
    }
    return base::errno_error(saved, "open " + path);
  }
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return base::errno_error(errno, "stat " + path);
  if (!S_ISREG(info.st_mode)) return make_error(Code::kUsage, path + " is not a regular file");
  return fd;
}

bool same_state(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

struct Taken {
  Digest digest;
  std::uint64_t size = 0;
};

class Import {
 public:
  Import(cas::Store& store, const ImportModel& model, const std::stop_token& stop)
      : store_(store), model_(model), stop_(stop), taken_(model.files.size()) {}

  Status take_files() {
    do {
      root_.reset(::open(model_.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    } while (!root_ && errno == EINTR);
    if (!root_) return base::errno_error(errno, "open " + model_.root);
    const std::size_t workers = std::max(std::thread::hardware_concurrency(), 1u);
    return run_parallel(
        model_.files.size(), workers,
        [this](std::size_t i, const std::stop_token& stop) { return take(i, stop); }, stop_);
  }

  [[nodiscard]] const std::vector<Taken>& taken() const { return taken_; }

 private:
  Status take(std::size_t index, const std::stop_token& stop) {
    const ImportFile& file = model_.files[index];
    CASTOOL_ASSIGN(const base::UniqueFd fd, open_beneath(root_.get(), file.on_disk));
    struct stat before = {};
    struct stat after = {};
    if (::fstat(fd.get(), &before) != 0) return base::errno_error(errno, "stat " + file.on_disk);
    CASTOOL_ASSIGN(cas::Ingest ingest, store_.begin_ingest());
    CASTOOL_RETURN_IF_ERROR(copy(file, fd.get(), before, ingest, stop));
    if (::fstat(fd.get(), &after) != 0) return base::errno_error(errno, "stat " + file.on_disk);
    if (!same_state(before, after)) {
      return make_error(Code::kBusy, file.on_disk + " changed while it was read",
                        "import it when nobody writes to it");
    }
    taken_[index].size = ingest.size();
    auto digest = ingest.commit(stop, file.digest);
    if (!digest) return std::move(digest).error().in(manifest::printable(file.on_disk));
    taken_[index].digest = *digest;
    return base::ok();
  }

  static Status copy(const ImportFile& file, int fd, const struct stat& info, cas::Ingest& ingest,
                     const std::stop_token& stop) {
    std::optional<base::GitBlobHasher> git;
    if (file.git_oid) git.emplace(static_cast<std::uint64_t>(info.st_size));
    // Hashed from our own copy, where there can be one without copying.
    const int from = ingest.clone(fd) ? ingest.fd() : fd;
    std::vector<std::byte> buffer(cas::kChunkSize);
    for (;;) {
      if (stop.stop_requested()) return make_error(Code::kCancelled, "interrupted");
      CASTOOL_ASSIGN(const std::size_t got, cas::read_at(from, ingest.size(), buffer));
      if (got == 0) break;
      const auto bytes = std::span<const std::byte>(buffer).first(got);
      CASTOOL_RETURN_IF_ERROR(from == fd ? ingest.append(bytes) : ingest.note_cloned(bytes));
      if (git) git->update(bytes);
    }
    if (!git || git->finish() == *file.git_oid) return base::ok();
    return make_error(Code::kDigestMismatch,
                      manifest::printable(file.on_disk) + " is not git-sha1:" + file.git_oid->hex(),
                      "pull the model instead");
  }

  cas::Store& store_;
  const ImportModel& model_;
  const std::stop_token& stop_;
  base::UniqueFd root_;
  std::vector<Taken> taken_;
};

// What was copied already goes with the next gc.
Status check_import_quota(const cas::Store& store, const std::string& ns, const std::string& name,
                          const std::vector<Taken>& taken) {
  CASTOOL_ASSIGN(const auto limit, cas::read_quota(store, ns));
  if (!limit) return base::ok();
  Charges more;
  for (const Taken& file : taken) more[file.digest] = file.size;
  CASTOOL_ASSIGN(const auto held, charges_of(store, ns, name));
  return check_quota(held, more, 0, *limit, ns);
}

// The same files have the same commit, wherever they were.
std::string made_up_commit(const std::vector<manifest::FileEntry>& files) {
  base::Sha256 hasher;
  for (const auto& file : files) {
    const std::string line = file.path + '\0' + file.digest.text() + '\n';
    hasher.update(std::as_bytes(std::span(line)));
  }
  return hasher.finish().hex().substr(0, 40);
}

manifest::HubManifest hub_manifest(const ImportModel& model, const std::vector<Taken>& taken,
                                   const std::string& endpoint) {
  manifest::HubManifest hub;
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const ImportFile& file = model.files[i];
    hub.files.push_back({file.path, taken[i].digest, taken[i].size, file.git_oid});
  }
  std::ranges::sort(hub.files, {}, &manifest::FileEntry::path);
  if (model.source) {
    hub.endpoint = endpoint;
    hub.repo = std::get<manifest::HubSource>(*model.source).repo;
    hub.commit = model.revision;
  } else {
    hub.endpoint = kNowhere;
    hub.repo = kNoRepository;
    hub.commit = made_up_commit(hub.files);
  }
  return hub;
}

// For the record: what a pull of the same model would have found.
Result<RemoteModel> as_pulled(const ImportModel& model, const Origins& origins) {
  RemoteModel remote;
  remote.kind = model.kind;
  remote.revision = model.revision;
  for (const ImportFile& file : model.files) remote.files.push_back({file.path, "", 0, {}, {}});
  if (!model.source) return remote;
  if (const auto* ollama = std::get_if<manifest::OllamaSource>(&*model.source)) {
    CASTOOL_ASSIGN(const auto base, registry_base(*ollama, origins, PlainHttp::kRefuse));
    remote.origin = base + " " + ollama->ns + "/" + ollama->model;
  } else {
    remote.origin = origins.hub_endpoint + " " + std::get<manifest::HubSource>(*model.source).repo;
  }
  return remote;
}

}  // namespace

Result<ImportOutcome> import_model(cas::Store& store, cas::RefStore& refs, const ImportModel& model,
                                   const Origins& origins, const std::stop_token& stop) {
  CASTOOL_ASSIGN(const auto lease, cas::Lease::take(store, stop));
  Import import(store, model, stop);
  CASTOOL_RETURN_IF_ERROR(import.take_files());
  CASTOOL_ASSIGN(RemoteModel remote, as_pulled(model, origins));
  std::string bytes = model.manifest_bytes;
  if (model.kind == manifest::ModelKind::kHub) {
    const auto hub = hub_manifest(model, import.taken(), origins.hub_endpoint);
    remote.revision = hub.commit;
    bytes = manifest::print_hub_manifest(hub);
    CASTOOL_RETURN_IF_ERROR(manifest::parse_hub_manifest(bytes));  // its limits
  }
  CASTOOL_RETURN_IF_ERROR(check_import_quota(store, refs.ns(), model.name, import.taken()));
  PulledModel pulled;
  pulled.name = model.name;
  CASTOOL_ASSIGN(pulled.manifest, store.put(bytes, stop));
  std::map<Digest, std::uint64_t> distinct;
  for (const Taken& taken : import.taken()) distinct[taken.digest] = taken.size;
  for (const auto& [digest, size] : distinct) pulled.bytes += size;
  pulled.presence = {manifest::RefState::kComplete, pulled.bytes, pulled.bytes};
  pulled.now = store.clock().wall_now();
  PullRequest request;
  if (model.source) request.source = *model.source;
  manifest::RefRecord record = updated_record(std::nullopt, request, remote, pulled);
  if (!model.source) record.source.clear();
  CASTOOL_RETURN_IF_ERROR(refs.put(model.name, manifest::print_ref_record(record), stop));
  return ImportOutcome{pulled.manifest, model.files.size(), pulled.bytes};
}

}  // namespace castool::pull
