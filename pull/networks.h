// What talks to origins on behalf of a mount, begun when the first byte is wanted.
//
// Each endpoint has connections of its own: one that stalls takes none from the others. The
// transport and its thread are shared.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "fetch/downloader.h"
#include "fetch/http_client.h"
#include "manifest/source.h"
#include "pull/puller.h"

namespace castool::pull {

struct Network {
  Network(fetch::Transport& transport, const fetch::DownloadLimits& limits, base::Clock& clock,
          base::Log& log);

  const std::shared_ptr<fetch::HostBackoff> backoff;
  const std::shared_ptr<fetch::TransferBudget> budget;
  fetch::HttpClient http;
  fetch::Downloader downloader;
};

// How far requests for a model may go that somebody else named: a caller of the API, or whoever
// looked for it in a mount. To public addresses only, unless whoever started us chose where it is
// asked at: by HF_ENDPOINT or CASTOOL_OLLAMA_REGISTRY, or the host by its name. Pure.
[[nodiscard]] fetch::Reach reach_of(const manifest::Source& source, const Origins& origins,
                                    const std::set<std::string>& chosen_hosts);

// Safe from any thread. Whoever uses a Network ends before this goes.
class Networks {
 public:
  using MakeTransport = std::function<base::Result<std::unique_ptr<fetch::Transport>>()>;

  // `limits` are those of each endpoint.
  Networks(MakeTransport make, const fetch::DownloadLimits& limits, base::Clock& clock,
           base::Log& log)
      : make_(std::move(make)), limits_(limits), clock_(clock), log_(log) {}

  // Of the endpoint of an origin ("endpoint SPACE repository"); never null. The errors of making a
  // transport.
  [[nodiscard]] base::Result<Network*> of(const std::string& origin,
                                          fetch::Reach reach = fetch::Reach::kAnywhere)
      CASTOOL_EXCLUDES(mutex_);
  [[nodiscard]] const fetch::DownloadLimits& limits() const { return limits_; }

 private:
  const MakeTransport make_;
  const fetch::DownloadLimits limits_;
  base::Clock& clock_;
  base::Log& log_;
  base::Mutex mutex_;
  std::unique_ptr<fetch::Transport> transport_ CASTOOL_GUARDED_BY(mutex_);
  // Sends everything to public addresses only; destroyed before the transport.
  std::unique_ptr<fetch::Transport> narrowed_ CASTOOL_GUARDED_BY(mutex_);
  // Destroyed before the transports.
  std::map<std::pair<std::string, fetch::Reach>, std::unique_ptr<Network>> networks_
      CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::pull
