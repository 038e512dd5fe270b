// HTTP as the fetcher sees it: requests, response heads, and the seam to whoever speaks on sockets.
//
// A Transport never follows a redirect, never retries and never decodes a body: those are decisions
// of HttpClient and Downloader, where they can be tested without a socket. curl is one Transport
// (curl_transport.h), the scripted source of the tests another.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"

namespace castool::fetch {

// Header fields in order of arrival; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value);
  // The first value of that name; nullopt when absent.
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& fields() const {
    return fields_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

enum class Method { kGet, kHead };

// Which peers a request may be sent to. kPublicOnly holds for the address that is really connected
// to, so a name that resolves to a private address is refused too, before the request is written.
// Behind a proxy the proxy resolves names, and only literal addresses in the URL are judged.
enum class Reach { kAnywhere, kPublicOnly };

struct HttpRequest {
  Method method = Method::kGet;
  std::string url;  // absolute, http or https
  Headers
      headers;  // sent as they are; a transport adds Host, User-Agent and Accept-Encoding: identity
  std::optional<base::ByteRange> range;                               // "Range: bytes=a-b"
  std::chrono::nanoseconds stall_timeout = std::chrono::seconds(30);  // longest time without a byte
  Reach reach = Reach::kAnywhere;
  std::string peer;  // numeric address to connect to in place of the host's; empty: any of them
};

struct ResponseHead {
  int status = 0;
  Headers headers;
  std::string peer_address;  // numeric address we are connected to, empty through a proxy
};

// kPause, as an answer to on_body: the bytes were not taken; they are delivered again after
// Transport::resume. A paused transfer does not stall.
enum class Flow { kContinue, kPause, kAbort };

// Why a transfer ended. Only kComplete says that the message was framed whole.
enum class TransferEnd {
  kComplete,
  kAborted,  // by the listener or cancel()
  kConnect,  // no connection, to the host or the proxy: refused, unreachable, too slow
  kDns,
  kTls,           // handshake or certificate
  kProxyRefused,  // the proxy answered 407
  kReset,         // connection broke, or the body ended before its length
  kStalled,       // stall_timeout passed without a byte
  kProtocol,      // not HTTP, header limits
  kAmbiguous,     // heads that say in two ways where the message ends (row 62)
  kForbidden,     // the peer is outside the request's reach; nothing was sent
};

struct TransferResult {
  TransferEnd end = TransferEnd::kComplete;
  std::string detail;  // for people, without secrets
  bool reused_connection = false;
  std::uint64_t body_bytes = 0;
};

// Called on the transport's own thread, in order head, body*, done; done exactly once. Must not
// block on the network or on another listener. `1xx` heads are not reported.
class ResponseListener {
 public:
  virtual ~ResponseListener() = default;
  [[nodiscard]] virtual Flow on_head(const ResponseHead& head) noexcept = 0;
  [[nodiscard]] virtual Flow on_body(std::span<const std::byte> bytes) noexcept = 0;
  virtual void on_done(const TransferResult& result) noexcept = 0;
};

using TransferId = std::uint64_t;

class Transport {
 public:
  virtual ~Transport() = default;
  // Starts a transfer; any thread. The listener is kept until on_done returned.
  virtual TransferId start(HttpRequest request, std::shared_ptr<ResponseListener> listener) = 0;
  // Asks a transfer to end with kAborted; unknown ids are ignored. Any thread.
  virtual void cancel(TransferId id) = 0;
  // Continues a transfer whose listener answered kPause; unknown ids are ignored. Any thread.
  virtual void resume(TransferId id) = 0;
};

}  // namespace castool::fetch
