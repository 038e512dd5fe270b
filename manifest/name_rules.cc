#include "manifest/name_rules.h"

#include <algorithm>
#include <charconv>

namespace castool::manifest {
namespace {

constexpr std::string_view kAlphanumeric =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
constexpr std::size_t kMaxOllamaPart = 80;
constexpr std::size_t kMaxOllamaHost = 350;
constexpr std::size_t kMaxHubSegment = 96;
constexpr std::size_t kMaxCustomPart = 255;

bool is_word(char c) { return kAlphanumeric.find(c) != std::string_view::npos; }

bool is_part(std::string_view text, std::size_t limit, std::string_view also) {
  return !text.empty() && text.size() <= limit && is_word(text.front()) &&
         std::ranges::all_of(
             text, [also](char c) { return is_word(c) || also.find(c) != std::string_view::npos; });
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && text.size() <= 5 && port > 0 &&
         port < 65536;
}

}  // namespace

bool is_ollama_namespace(std::string_view text) { return is_part(text, kMaxOllamaPart, "-"); }

bool is_ollama_part(std::string_view text) { return is_part(text, kMaxOllamaPart, "-."); }

bool is_ollama_host(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && !is_port(text.substr(colon + 1))) return false;
  return text.size() <= kMaxOllamaHost && is_part(text.substr(0, colon), kMaxOllamaHost, "-.");
}

bool is_hub_segment(std::string_view text) {
  return is_part(text, kMaxHubSegment, "-.") && is_word(text.back()) &&
         text.find("--") == std::string_view::npos && text.find("..") == std::string_view::npos &&
         !text.ends_with(".git");
}

bool is_hub_repo(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_hub_segment(text);
  return is_hub_segment(text.substr(0, slash)) && is_hub_segment(text.substr(slash + 1));
}

bool is_custom_part(std::string_view text) { return is_part(text, kMaxCustomPart, "-."); }

}  // namespace castool::manifest
