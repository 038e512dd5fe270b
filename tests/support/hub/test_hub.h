// The whole hub: two origins (the hub with the registry, and the CDN), faults, settings, log.
//
// Control, on the hub's own port, neither logged nor faulted (JSON everywhere):
//   GET, DELETE        /_hub/log         request_log.h
//   GET, POST, DELETE  /_hub/faults      fault.h
//   GET, POST          /_hub/settings    settings.h
//   GET, DELETE        /_hub/stats       {"hub": {...}, "cdn": {...}}: server.h; DELETE starts anew
//   POST               /_hub/reload      reads the root again; {repository: {ref: commit}}
//   POST               /_hub/expire      every signed address is expired
//   POST               /_hub/revoke      every registry token is void
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "tests/support/hub/catalog.h"
#include "tests/support/hub/fault.h"
#include "tests/support/hub/hub_api.h"
#include "tests/support/hub/registry_api.h"
#include "tests/support/hub/registry_tokens.h"
#include "tests/support/hub/request_log.h"
#include "tests/support/hub/sample.h"
#include "tests/support/hub/server.h"
#include "tests/support/hub/settings.h"
#include "tests/support/hub/signed_urls.h"

namespace castool::hub {

class TestHub {
 public:
  struct Options {
    std::uint16_t port = 0;      // 0: any
    std::uint16_t cdn_port = 0;  // 0: any
    std::optional<std::filesystem::path> root;
    bool sample = false;
  };

  // Reads the root, opens both ports and serves; throws std::exception.
  explicit TestHub(Options options);

  // {"hub": address, "cdn": address, "registry": address}
  [[nodiscard]] std::string addresses() const;

 private:
  enum class Origin { kHub, kCdn };
  using Route = Response (TestHub::*)(const Request&);

  void reload();
  [[nodiscard]] Context context() const;
  [[nodiscard]] Server::Answer handle(Origin origin, const Request& request,
                                      std::uint64_t connection);
  [[nodiscard]] Response route(Origin origin, const Request& request);
  [[nodiscard]] Response serve_cdn(const Request& request) const;
  [[nodiscard]] Response control(const Request& request);
  [[nodiscard]] Response control_log(const Request& request);
  [[nodiscard]] Response control_faults(const Request& request);
  [[nodiscard]] Response control_settings(const Request& request);
  [[nodiscard]] Response control_stats(const Request& request);
  [[nodiscard]] Response control_reload(const Request& request);
  [[nodiscard]] Response control_expire(const Request& request);
  [[nodiscard]] Response control_revoke(const Request& request);

  const Options options_;
  std::optional<Sample> sample_;
  mutable base::Mutex mutex_;
  Settings settings_ CASTOOL_GUARDED_BY(mutex_);
  std::shared_ptr<const Catalog> catalog_ CASTOOL_GUARDED_BY(mutex_);
  SignedUrls signed_urls_;
  RegistryTokens tokens_;
  HubApi hub_api_{signed_urls_};
  RegistryApi registry_api_{signed_urls_, tokens_};
  FaultRules faults_;
  RequestLog log_;
  Server hub_;  // last two: their threads use everything above
  Server cdn_;
};

}  // namespace castool::hub
