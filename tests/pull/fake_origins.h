// A Hub, its CDN and a registry in memory, as answers for a FakeTransport.
//
// https://hub.test serves repositories, redirects LFS files to https://cdn.test with a signature,
// and regular files within itself; https://registry.test serves models, with a token if asked to.
// Set up before requests come, or from `before`; answers are made on the transport's thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/pull/fake_transport.h"

namespace castool::pull {

inline constexpr const char* kFakeHub = "https://hub.test";
inline constexpr const char* kFakeCdn = "https://cdn.test";
inline constexpr const char* kFakeRegistry = "https://registry.test";

struct FakeFile {
  std::string bytes;
  bool lfs = false;
};

struct FakeRepo {
  std::string commit = std::string(40, 'c');
  std::map<std::string, FakeFile> files;
  std::string gated = "false";  // JSON: false, "auto", "manual"
  bool allowed = true;          // resolve answers GatedRepo otherwise
  std::size_t page_size = 1000;
};

class FakeOrigins {
 public:
  std::map<std::string, FakeRepo> repos;       // by id
  std::map<std::string, std::string> renamed;  // old id -> new id
  std::map<std::string, std::string>
      registry_files;              // "ns/model/manifests/tag", "ns/model/blobs/…"
  std::string registry_token;      // wanted by the registry when not empty
  bool blobs_redirect = false;     // registry blobs are at the CDN
  bool signatures_expire = false;  // each CDN address works for one request
  // First say on every request.
  std::function<std::optional<FakeAnswer>(const fetch::HttpRequest&)> before;
  // Last say on every answer.
  std::function<void(const fetch::HttpRequest&, FakeAnswer&)> after;

  // The manifest of a model with this GGUF; its other layers are made up. Returns the manifest.
  std::string add_model(const std::string& name, const std::string& tag, const std::string& gguf);

  [[nodiscard]] FakeAnswer answer(const fetch::HttpRequest& request);

 private:
  FakeAnswer hub(const fetch::HttpRequest& request, const std::string& target);
  FakeAnswer api(const std::string& target);
  FakeAnswer tree(const std::string& id, const FakeRepo& repo, const std::string& query);
  FakeAnswer resolve(const std::string& target);
  FakeAnswer cdn(const fetch::HttpRequest& request, const std::string& target);
  FakeAnswer registry(const fetch::HttpRequest& request, const std::string& target);
  std::string sign(const std::string& hex);

  std::map<std::string, std::string> cdn_files_;  // hex of sha256 -> bytes
  std::set<std::string> used_signatures_;
  int signatures_ = 0;
};

// "%2F" and the like undone.
[[nodiscard]] std::string percent_decode(std::string_view text);

}  // namespace castool::pull
