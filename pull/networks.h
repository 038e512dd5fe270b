// What talks to origins on behalf of a mount, begun when the first byte is wanted.
//
// Each endpoint has connections of its own: one that stalls takes none from the others. The
// transport and its thread are shared.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "fetch/downloader.h"
#include "fetch/http_client.h"

namespace castool::pull {

struct Network {
  Network(fetch::Transport& transport, const fetch::DownloadLimits& limits, base::Clock& clock,
          base::Log& log);

  const std::shared_ptr<fetch::HostBackoff> backoff;
  const std::shared_ptr<fetch::TransferBudget> budget;
  fetch::HttpClient http;
  fetch::Downloader downloader;
};

// Safe from any thread. Whoever uses a Network ends before this goes.
class Networks {
 public:
  using MakeTransport = std::function<std::unique_ptr<fetch::Transport>()>;

  // `limits` are those of each endpoint.
  Networks(MakeTransport make, const fetch::DownloadLimits& limits, base::Clock& clock,
           base::Log& log)
      : make_(std::move(make)), limits_(limits), clock_(clock), log_(log) {}

  // Of the endpoint of an origin ("endpoint SPACE repository").
  [[nodiscard]] Network& of(const std::string& origin) CASTOOL_EXCLUDES(mutex_);
  [[nodiscard]] const fetch::DownloadLimits& limits() const { return limits_; }

 private:
  const MakeTransport make_;
  const fetch::DownloadLimits limits_;
  base::Clock& clock_;
  base::Log& log_;
  base::Mutex mutex_;
  std::unique_ptr<fetch::Transport> transport_ CASTOOL_GUARDED_BY(mutex_);
  // Destroyed before the transport.
  std::map<std::string, std::unique_ptr<Network>> networks_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::pull
