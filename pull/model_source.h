// What a pull asks of an origin, the same for a Hub and a registry.
//
// One source is one model at one origin. resolve() comes first and pins everything: afterwards
// every address and every byte is of the commit or manifest that it found. Blocking; safe from any
// thread once resolve() has returned.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "fetch/downloader.h"
#include "fetch/http_client.h"
#include "manifest/file_header.h"
#include "manifest/ref_record.h"

namespace castool::pull {

// One file or layer. At least one of `digest` and `git_oid` is known, and content has to match
// both.
struct RemoteFile {
  std::string path;   // in the repository; a layer's digest as text
  std::string label;  // for progress
  std::uint64_t size = 0;
  std::optional<base::Digest> digest;
  std::optional<base::GitOid> git_oid;
  manifest::FileFormat format = manifest::FileFormat::kOther;
};

struct RemoteModel {
  manifest::ModelKind kind = manifest::ModelKind::kHub;
  std::string origin;       // as PartialKey::origin
  std::string revision;     // commit or tag
  bool restricted = false;  // gated or private: names alone do not say that we may have the content
  std::vector<RemoteFile> files;  // wanted ones only, paths checked
};

class ModelSource {
 public:
  virtual ~ModelSource() = default;

  [[nodiscard]] virtual base::Result<RemoteModel> resolve(std::stop_token stop) = 0;
  // Asks the origin whether this caller may have `file`, without its content.
  [[nodiscard]] virtual base::Status authorise(const RemoteFile& file, std::stop_token stop) = 0;
  // Where a large file can be had by ranges. The book may be used after this source is gone only as
  // long as the HttpClient lives.
  [[nodiscard]] virtual std::shared_ptr<fetch::AddressBook> addresses(const RemoteFile& file) = 0;
  // The content of a small file, unchecked, given to `sink`; `restart` comes before each attempt.
  [[nodiscard]] virtual base::Status read(const RemoteFile& file,
                                          const std::function<base::Status()>& restart,
                                          const fetch::HttpClient::BodySink& sink,
                                          std::stop_token stop) = 0;
  // The bytes to store as the model's manifest; digests[i] is the content of files[i].
  [[nodiscard]] virtual std::string manifest_bytes(std::span<const base::Digest> digests) const = 0;
};

}  // namespace castool::pull
