#include "fetch/curl_transfer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>
#include <utility>

#include <curl/curl.h>

#include "fetch/address_scope.h"

namespace castool::fetch {
namespace {

using base::Clock;

constexpr std::chrono::seconds kConnectTimeout{10};
// Row 48: how long IPv6 is ahead of IPv4.
constexpr std::chrono::milliseconds kHeadStart{200};
constexpr std::chrono::seconds kKeepNames{60};
constexpr long kReceiveBuffer = 512 * 1024;
static_assert(CURL_ERROR_SIZE == 256);

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

long milliseconds(Clock::Duration duration) {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<long>(std::clamp<std::int64_t>(count, 1, 24 * 3600 * 1000));
}

// A handshake that was cut off is a broken connection; one that failed will fail again. libcurl has
// one code for both, and OpenSSL's "error:" only in the text of the second.
TransferEnd end_of_handshake(std::string_view why) {
  const bool failed = why.find("error:") != std::string_view::npos &&
                      why.find("unexpected eof") == std::string_view::npos;
  return failed ? TransferEnd::kTls : TransferEnd::kConnect;
}

TransferEnd end_of(CURLcode code, std::string_view why) {
  switch (code) {
    case CURLE_OK: return TransferEnd::kComplete;
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_WRITE_ERROR: return TransferEnd::kAborted;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_INTERFACE_FAILED:
    case CURLE_PROXY:
    case CURLE_OPERATION_TIMEDOUT: return TransferEnd::kConnect;  // our only timer is connecting
    case CURLE_COULDNT_RESOLVE_HOST: return TransferEnd::kDns;
    case CURLE_SSL_CONNECT_ERROR: return end_of_handshake(why);
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED: return TransferEnd::kTls;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_BAD_CONTENT_ENCODING: return TransferEnd::kProtocol;
    default: return TransferEnd::kReset;
  }
}

// Headers that say where a message or a range ends: two of them, or one that is no number, mean
// that somebody on the way may read another end than we do (row 62).
bool is_framing(const std::string& name) {
  return curl_strequal(name.c_str(), "Content-Length") != 0 ||
         curl_strequal(name.c_str(), "Content-Range") != 0;
}

std::string with_port(std::string_view numeric, int port) {
  return std::string(numeric) + " " + std::to_string(port);
}

// What libcurl is about to connect to; without a port when it is of a family that has none.
PeerAddress peer_of(const curl_sockaddr& address) {
  PeerAddress peer{address.family, {}};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address.addr, sizeof(v4));
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    peer.numeric = with_port(text.data(), ntohs(v4.sin_port));
  } else if (address.family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address.addr, std::min<std::size_t>(address.addrlen, sizeof(v6)));
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    peer.numeric = with_port(text.data(), ntohs(v6.sin6_port));
  }
  return peer;
}

}  // namespace

CurlTransfer::CurlTransfer(TransferId id, HttpRequest request,
                           std::shared_ptr<ResponseListener> listener, const CurlConfig& config,
                           Proxied proxied, DeadAddresses& dead, Clock& clock)
    : id_(id),
      request_(std::move(request)),
      listener_(std::move(listener)),
      proxied_(proxied),
      dead_(dead),
      clock_(clock),
      handle_(curl_easy_init()),
      last_activity_(clock.now()) {
  if (handle_ == nullptr) return;
  configure(config);
  configure_request();
}

CurlTransfer::~CurlTransfer() {
  curl_easy_cleanup(handle_);
  curl_slist_free_all(connect_to_);
  curl_slist_free_all(header_list_);
}

void CurlTransfer::configure(const CurlConfig& config) {
  curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle_, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(handle_, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(handle_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle_, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(handle_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(handle_, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  curl_easy_setopt(handle_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle_, CURLOPT_CONNECTTIMEOUT_MS,
                   milliseconds(clock_.scaled(kConnectTimeout)));
  curl_easy_setopt(handle_, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS,
                   milliseconds(clock_.scaled(kHeadStart)));
  curl_easy_setopt(handle_, CURLOPT_DNS_CACHE_TIMEOUT,
                   (milliseconds(clock_.scaled(kKeepNames)) + 999) / 1000);
  // Removing a transfer must not wait for a name server that does not answer.
  curl_easy_setopt(handle_, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(handle_, CURLOPT_USERAGENT, config.user_agent.c_str());
  if (!config.ca_file.empty()) curl_easy_setopt(handle_, CURLOPT_CAINFO, config.ca_file.c_str());
  if (!config.ca_dir.empty()) curl_easy_setopt(handle_, CURLOPT_CAPATH, config.ca_dir.c_str());
  curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, error_text_.data());
  curl_easy_setopt(handle_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(handle_, CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header_line);
  curl_easy_setopt(handle_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body_bytes);
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle_, CURLOPT_PREREQFUNCTION, &CurlTransfer::on_ready_to_send);
  curl_easy_setopt(handle_, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(handle_, CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::on_open_socket);
  curl_easy_setopt(handle_, CURLOPT_OPENSOCKETDATA, this);
}

void CurlTransfer::configure_request() {
  curl_easy_setopt(handle_, CURLOPT_URL, request_.url.c_str());
  if (request_.method == Method::kHead) curl_easy_setopt(handle_, CURLOPT_NOBODY, 1L);
  if (!request_.peer.empty()) {
    // ":" host and port of the URL, whatever they are, ":" address, ":" the same port.
    const bool v6 = request_.peer.find(':') != std::string::npos;
    const std::string place = v6 ? "[" + request_.peer + "]" : request_.peer;
    connect_to_ = curl_slist_append(nullptr, ("::" + place + ":").c_str());
    curl_easy_setopt(handle_, CURLOPT_CONNECT_TO, connect_to_);
  }
  const auto add = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(header_list_, line.c_str());
    if (longer != nullptr) header_list_ = longer;
  };
  for (const auto& [name, value] : request_.headers.fields()) {
    // ";" is libcurl's way to write a header without a value.
    add(value.empty() ? name + ";" : name + ": " + value);
  }
  add("Accept-Encoding: identity");
  if (request_.range) {
    add("Range: bytes=" + std::to_string(request_.range->offset) + "-" +
        std::to_string(request_.range->end() - 1));
  }
  curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, header_list_);
}

bool CurlTransfer::resume() {
  if (!paused_) return true;
  paused_ = false;
  touch();
  return curl_easy_pause(handle_, CURLPAUSE_CONT) == CURLE_OK;
}

std::optional<Clock::Monotonic> CurlTransfer::stall_deadline() const {
  if (paused_) return std::nullopt;
  return last_activity_ + clock_.scaled(request_.stall_timeout);
}

bool CurlTransfer::takes_back_addresses(int curl_code) {
  if (curl_code == CURLE_OK || left_out_.empty() || !tried_.empty()) return false;
  for (const std::string& address : left_out_) dead_.forget(address);
  left_out_.clear();
  touch();
  return true;
}

void CurlTransfer::learn(ConnectOutcome outcome, const PeerAddress& connected) {
  for (const std::string& address : unanswered(tried_, outcome, connected)) dead_.add(address);
  tried_.clear();
}

void CurlTransfer::finish_with_code(int curl_code) {
  const auto code = static_cast<CURLcode>(curl_code);
  if (code == CURLE_OPERATION_TIMEDOUT) learn(ConnectOutcome::kTimedOut, {});
  const std::string why = error_text_[0] != '\0' ? error_text_.data() : curl_easy_strerror(code);
  long connect_status = 0;
  curl_easy_getinfo(handle_, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  // Some proxies say 401 to a wrong password.
  if (code != CURLE_OK && (connect_status == 407 || connect_status == 401)) {
    finish(TransferEnd::kProxyRefused, "proxy authentication required");
  } else if (code != CURLE_OK && connect_status >= 300) {
    finish(TransferEnd::kConnect, why);
  } else if (code == CURLE_OK && !head_done_) {
    finish(TransferEnd::kReset, "no answer");
  } else if (code == CURLE_WEIRD_SERVER_REPLY && head_.status != 0 && !head_done_) {
    // After a good status line: a length that libcurl cannot read, before we could see it.
    finish(TransferEnd::kAmbiguous, "a bad Content-Length");
  } else {
    finish(end_of(code, why), code == CURLE_OK ? std::string() : why);
  }
}

void CurlTransfer::finish(TransferEnd end, std::string detail) {
  TransferResult result;
  result.end = ended_by_us_.value_or(end);
  result.detail = ended_by_us_ ? end_detail_ : std::move(detail);
  result.body_bytes = body_bytes_;
  long new_connections = 0;
  curl_easy_getinfo(handle_, CURLINFO_NUM_CONNECTS, &new_connections);
  char* peer = nullptr;
  curl_easy_getinfo(handle_, CURLINFO_PRIMARY_IP, &peer);
  result.reused_connection = new_connections == 0 && peer != nullptr && *peer != '\0';
  listener_->on_done(result);
}

std::size_t CurlTransfer::on_header_line(char* data, std::size_t size, std::size_t count,
                                         void* self) noexcept {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  const std::size_t bytes = size * count;
  try {
    return transfer.take_header_line({data, bytes}) ? bytes : 0;
  } catch (const std::exception&) {  // out of memory
    return 0;
  }
}

std::size_t CurlTransfer::on_body_bytes(char* data, std::size_t size, std::size_t count,
                                        void* self) noexcept {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  const std::size_t bytes = size * count;
  transfer.touch();
  if (!transfer.head_done_) return 0;
  switch (transfer.listener_->on_body(std::as_bytes(std::span(data, bytes)))) {
    case Flow::kContinue: transfer.body_bytes_ += bytes; return bytes;
    case Flow::kPause: transfer.paused_ = true; return CURL_WRITEFUNC_PAUSE;
    case Flow::kAbort: transfer.ended_by_us_ = TransferEnd::kAborted; return 0;
  }
  return 0;
}

// Called when the connection stands and before the request is written, reused or not.
int CurlTransfer::on_ready_to_send(void* self, char* peer, char* /*local*/, int peer_port,
                                   int /*local_port*/) noexcept {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  const std::string_view numeric = peer == nullptr ? std::string_view() : peer;
  try {
    const int family = numeric.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
    transfer.learn(ConnectOutcome::kConnected, {family, with_port(numeric, peer_port)});
  } catch (const std::exception&) {  // out of memory: nothing is learnt
  }
  if (transfer.request_.reach == Reach::kAnywhere || transfer.proxied_ == Proxied::kMaybe) {
    return CURL_PREREQFUNC_OK;
  }
  if (scope_of_address(numeric) == AddressScope::kPublic) return CURL_PREREQFUNC_OK;
  transfer.ended_by_us_ = TransferEnd::kForbidden;
  return CURL_PREREQFUNC_ABORT;
}

int CurlTransfer::on_open_socket(void* self, int /*purpose*/, curl_sockaddr* address) noexcept {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  try {
    PeerAddress peer = peer_of(*address);
    if (transfer.dead_.contains(peer.numeric)) {
      transfer.left_out_.push_back(std::move(peer.numeric));
      return CURL_SOCKET_BAD;  // libcurl goes on with the next address
    }
    transfer.tried_.push_back(std::move(peer));
  } catch (const std::exception&) {  // out of memory
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool CurlTransfer::take_header_line(std::string_view line) {
  if (head_done_) return true;  // trailers of a chunked body
  head_bytes_ += line.size();
  if (head_bytes_ > kMaxHeadBytes) return end_with(TransferEnd::kProtocol, "headers over 64 KiB");
  if (line.starts_with("HTTP/")) {
    begin_head(line);
    return true;
  }
  return trimmed(line).empty() ? end_head() : take_field(line);
}

void CurlTransfer::begin_head(std::string_view status_line) {
  head_ = {};
  const std::size_t space = std::min(status_line.find(' '), status_line.size() - 1);
  const std::string_view code = trimmed(status_line.substr(space)).substr(0, 3);
  std::from_chars(code.data(), code.data() + code.size(), head_.status);
}

bool CurlTransfer::take_field(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') {
    return end_with(TransferEnd::kAmbiguous, "a folded header");
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return end_with(TransferEnd::kProtocol, "a header without a colon");
  }
  std::string name(trimmed(line.substr(0, colon)));
  std::string value(trimmed(line.substr(colon + 1)));
  if (is_framing(name) && head_.headers.get(name)) {
    return end_with(TransferEnd::kAmbiguous, "two headers " + name);
  }
  if (curl_strequal(name.c_str(), "Content-Length") != 0 &&
      (value.empty() || value.find_first_not_of("0123456789") != std::string::npos)) {
    return end_with(TransferEnd::kAmbiguous, "a bad Content-Length");
  }
  head_.headers.add(std::move(name), std::move(value));
  return true;
}

bool CurlTransfer::end_head() {
  if (head_.status < 200) return true;  // 100, 103: the real head follows
  if (head_.status == 407) {
    return end_with(TransferEnd::kProxyRefused, "proxy authentication required");
  }
  touch();
  head_done_ = true;
  char* peer = nullptr;
  curl_easy_getinfo(handle_, CURLINFO_PRIMARY_IP, &peer);
  if (proxied_ == Proxied::kNo && peer != nullptr) head_.peer_address = peer;
  if (listener_->on_head(head_) == Flow::kContinue) return true;
  return end_with(TransferEnd::kAborted, {});
}

bool CurlTransfer::end_with(TransferEnd end, std::string why) {
  ended_by_us_ = end;
  end_detail_ = std::move(why);
  return false;
}

}  // namespace castool::fetch
