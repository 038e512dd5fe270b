// Blobs, manifests and refs that live in memory, for tests of the mount's logic.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hasher.h"
#include "base/log.h"
#include "base/mutex.h"
#include "fusefs/blob_opener.h"
#include "fusefs/recording_log.h"
#include "fusefs/views/view.h"
#include "manifest/manifest.h"
#include "manifest/ref_record.h"

namespace castool::fusefs::testing {

// Contents by digest; opened as memory files.
class FakeBlobs final : public BlobOpener {
 public:
  base::Digest put(const std::string& bytes) {
    const base::Digest digest = base::Sha256::of(std::string_view(bytes));
    const base::MutexLock lock(mutex_);
    contents_[digest] = bytes;
    return digest;
  }
  // Calls `digest` what is `bytes`, whatever they hash to.
  void put_as(const base::Digest& digest, const std::string& bytes) {
    const base::MutexLock lock(mutex_);
    contents_[digest] = bytes;
  }
  void remove(const base::Digest& digest) {
    const base::MutexLock lock(mutex_);
    contents_.erase(digest);
  }
  [[nodiscard]] int opens() const { return opens_; }

  base::Result<OpenedBlob> open_again(cas::Blob blob) override {
    return OpenedBlob{std::make_shared<const cas::Blob>(std::move(blob)), checks_};
  }
  base::Result<OpenedBlob> open(const BlobContent& wanted) override {
    const base::Digest& digest = wanted.digest;
    ++opens_;
    std::string bytes;
    {
      const base::MutexLock lock(mutex_);
      const auto found = contents_.find(digest);
      if (found == contents_.end()) return base::make_error(base::Code::kNotFound, "no such blob");
      bytes = found->second;
    }
    cas::Blob blob{digest, bytes.size(), base::UniqueFd(::memfd_create("blob", MFD_CLOEXEC))};
    if (::write(blob.fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      return base::make_error(base::Code::kIo, "memfd");
    return open_again(std::move(blob));
  }
  bool needs_no_look(const BlobContent&) override { return native_; }
  void found_damaged(const cas::Blob&, const base::Error&) override { ++damaged_; }
  [[nodiscard]] int damaged() const { return damaged_; }
  // What every blob opened from now on has to be checked with.
  void set_checks(std::shared_ptr<cas::CheckedBlob> checks) { checks_ = std::move(checks); }
  // Whether blobs are fit to be read by the kernel.
  void set_native(bool native) { native_ = native; }
  base::Result<BlobStatus> status(const BlobContent& wanted) override {
    const base::Digest& digest = wanted.digest;
    const base::MutexLock lock(mutex_);
    const auto found = contents_.find(digest);
    if (found == contents_.end()) return BlobStatus{};
    return BlobStatus{BlobState::kVerified, found->second.size()};
  }
  base::Result<struct statvfs> space() override {
    struct statvfs space {};
    space.f_bsize = 4096;
    space.f_blocks = 1000;
    space.f_bfree = 400;
    return space;
  }

 private:
  mutable base::Mutex mutex_;
  std::map<base::Digest, std::string> contents_ CASTOOL_GUARDED_BY(mutex_);
  std::atomic<int> opens_{0};
  std::atomic<bool> native_{false};
  std::atomic<int> damaged_{0};
  std::shared_ptr<cas::CheckedBlob> checks_;
};

// Manifests by digest; counts what is asked for.
class FakeManifests final : public ManifestSource {
 public:
  base::Digest put(const std::string& bytes) {
    const base::Digest digest = base::Sha256::of(std::string_view(bytes));
    contents_[digest] = bytes;
    return digest;
  }
  void remove(const base::Digest& digest) { contents_.erase(digest); }
  [[nodiscard]] int loads() const { return loads_; }
  [[nodiscard]] int sizes() const { return sizes_; }

  base::Result<std::string> load(const base::Digest& digest, std::uint64_t) const override {
    ++loads_;
    return find(digest);
  }
  base::Result<std::uint64_t> size(const base::Digest& digest) const override {
    ++sizes_;
    CASTOOL_ASSIGN(const std::string bytes, find(digest));
    return std::uint64_t{bytes.size()};
  }
  base::Result<manifest::GgufMetadata> gguf(const BlobContent& wanted) const override {
    CASTOOL_ASSIGN(const std::string bytes, find(wanted.digest));
    return manifest::read_gguf(std::as_bytes(std::span(bytes)));
  }

 private:
  [[nodiscard]] base::Result<std::string> find(const base::Digest& digest) const {
    const auto found = contents_.find(digest);
    if (found == contents_.end()) return base::make_error(base::Code::kNotFound, "no manifest");
    return found->second;
  }
  std::map<base::Digest, std::string> contents_;
  mutable std::atomic<int> loads_{0};
  mutable std::atomic<int> sizes_{0};
};

using Files = std::vector<std::pair<std::string, std::string>>;  // path, bytes

inline std::string hub_manifest_bytes(const std::string& repo, Files files) {
  std::sort(files.begin(), files.end());
  manifest::HubManifest manifest;
  manifest.endpoint = "https://hub.example";
  manifest.repo = repo;
  manifest.commit = std::string(40, 'c');
  for (const auto& [path, bytes] : files)
    manifest.files.push_back(
        {path, base::Sha256::of(std::string_view(bytes)), bytes.size(), std::nullopt});
  return manifest::print_hub_manifest(manifest);
}

inline manifest::RefRecord hub_record(const std::string& name, const base::Digest& manifest,
                                      std::int64_t pulled_at = 1000) {
  manifest::RefRecord record;
  record.name = name;
  record.source = "hf://" + name + "@main";
  record.origin = "https://hub.example " + name;
  record.revision = std::string(40, 'c');
  record.state = manifest::RefState::kComplete;
  record.manifest = manifest;
  record.first_pulled_ns = record.pulled_at = pulled_at;
  return record;
}

inline std::string layer_json(const std::string& type, const std::string& bytes) {
  return "{\"mediaType\":\"" + type + "\",\"digest\":\"" +
         base::Sha256::of(std::string_view(bytes)).text() +
         "\",\"size\":" + std::to_string(bytes.size()) + "}";
}

inline std::string ollama_manifest_bytes(const std::string& config, const std::string& type,
                                         const std::string& model) {
  return "{\"schemaVersion\":2,\"mediaType\":\"application/"
         "vnd.docker.distribution.manifest.v2+json\",\"config\":" +
         layer_json("application/vnd.docker.container.image.v1+json", config) + ",\"layers\":[" +
         layer_json(type, model) + "]}";
}
inline constexpr char kGgufLayer[] = "application/vnd.ollama.image.model";

inline manifest::RefRecord ollama_record(const std::string& name, const std::string& source,
                                         const base::Digest& manifest,
                                         std::int64_t pulled_at = 1000) {
  manifest::RefRecord record = hub_record(name, manifest, pulled_at);
  record.kind = manifest::ModelKind::kOllama;
  record.source = source;
  record.revision = "latest";
  return record;
}

}  // namespace castool::fusefs::testing
