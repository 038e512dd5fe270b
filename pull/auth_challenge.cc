#include "pull/auth_challenge.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "fetch/http_client.h"

namespace castool::pull {
namespace {

// Registries whose tokens come from another host of the same owner.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kIssuers{{
    {"hf.co", "huggingface.co"},
    {"registry.ollama.ai", "ollama.com"},
}};

bool is_token_char(char c) {
  constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         kOther.find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// Reads a header value from the left.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  void skip_spaces() { skip(" \t"); }
  void skip_separators() { skip(" \t,"); }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view token() {
    const auto* end = std::find_if_not(rest_.begin(), rest_.end(), is_token_char);
    const std::string_view found = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(found.size());
    return found;
  }
  // A quoted string after its first quote, or a token; nullopt for an open quote.
  std::optional<std::string> value() {
    if (!take('"')) return std::string(token());
    std::string out;
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return out;
      if (c == '\\' && !rest_.empty()) {
        c = rest_.front();
        rest_.remove_prefix(1);
      }
      out += c;
    }
    return std::nullopt;
  }
  // Gives up on text that is no challenge: continues after the next comma.
  void skip_item() {
    const std::size_t comma = rest_.find(',');
    rest_.remove_prefix(comma == std::string_view::npos ? rest_.size() : comma + 1);
  }

 private:
  void skip(std::string_view chars) {
    const std::size_t end = rest_.find_first_not_of(chars);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
  }
  std::string_view rest_;
};

std::vector<std::string> split_scopes(std::string_view text) {
  std::vector<std::string> scopes;
  while (!text.empty()) {
    const std::string_view scope = text.substr(0, text.find(' '));
    if (!scope.empty()) scopes.emplace_back(scope);
    text.remove_prefix(std::min(text.size(), scope.size() + 1));
  }
  return scopes;
}

void set_parameter(BearerChallenge& challenge, std::string_view name, std::string value) {
  if (name == "realm") {
    challenge.realm = std::move(value);
  } else if (name == "service") {
    challenge.service = std::move(value);
  } else if (name == "scope") {
    challenge.scopes = split_scopes(value);
  }
}

std::optional<BearerChallenge> parse_value(std::string_view text) {
  Scanner scanner(text);
  std::optional<BearerChallenge> bearer;
  bool in_bearer = false;
  for (scanner.skip_separators(); !scanner.done(); scanner.skip_separators()) {
    const std::string word = lower(scanner.token());
    scanner.skip_spaces();
    if (word.empty()) {
      scanner.skip_item();
    } else if (scanner.take('=')) {
      scanner.skip_spaces();
      auto value = scanner.value();
      if (!value) return std::nullopt;
      if (in_bearer) set_parameter(*bearer, word, *std::move(value));
    } else {
      // A word without '=' begins a challenge; of several Bearer ones the first counts.
      if (bearer) break;
      in_bearer = word == "bearer";
      if (in_bearer) bearer.emplace();
    }
  }
  if (!bearer || bearer->realm.empty()) return std::nullopt;
  return bearer;
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

}  // namespace

std::optional<BearerChallenge> parse_bearer_challenge(std::span<const std::string> values) {
  for (const auto& value : values) {
    if (has_control_characters(value)) return std::nullopt;
    if (auto challenge = parse_value(value)) return challenge;
  }
  return std::nullopt;
}

base::Status check_realm(std::string_view realm, std::string_view registry) {
  const auto issuer = fetch::origin_of(realm);
  const auto home = fetch::origin_of(registry);
  const auto refused = [&](std::string_view why) {
    return base::make_error(base::Code::kUnauthorized,
                            fmt::format("the registry sends us to {} for a token, {}",
                                        issuer ? issuer->host : "a broken address", why));
  };
  if (!issuer || !home) return refused("which is not asked");
  if (issuer->scheme != home->scheme) return refused("over another scheme");
  if (*issuer == *home) return base::ok();
  const bool known = std::any_of(kIssuers.begin(), kIssuers.end(), [&](const auto& pair) {
    return home->host == pair.first && issuer->host == pair.second && issuer->scheme == "https" &&
           issuer->port == 443;
  });
  if (known) return base::ok();
  return refused("which is another host");
}

}  // namespace castool::pull
