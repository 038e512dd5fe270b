#include "pull/ollama_source.h"

#include <utility>

#include "manifest/manifest.h"
#include "pull/registry_client.h"

namespace castool::pull {
namespace {

using base::Result;
using base::Status;

constexpr std::size_t kLabelHex = 12;  // as Ollama's own progress names a layer

// Ollama's layers with tensors are GGUF files.
manifest::FileFormat format_of(std::string_view media_type) {
  constexpr std::string_view kOllama = "application/vnd.ollama.image.";
  if (!media_type.starts_with(kOllama)) return manifest::FileFormat::kOther;
  const std::string_view kind = media_type.substr(kOllama.size());
  const bool tensors = kind == "model" || kind == "projector" || kind == "adapter";
  return tensors ? manifest::FileFormat::kGguf : manifest::FileFormat::kOther;
}

class OllamaModelSource final : public ModelSource {
 public:
  OllamaModelSource(std::string tag, std::shared_ptr<RegistryClient> client,
                    const base::Clock& clock)
      : tag_(std::move(tag)), client_(std::move(client)), clock_(clock) {}

  Result<RemoteModel> resolve(std::stop_token stop) override {
    CASTOOL_ASSIGN(manifest_, client_->manifest(tag_, std::move(stop)));
    const RegistryRepo& repo = client_->repo();
    RemoteModel model;
    model.kind = manifest::ModelKind::kOllama;
    model.origin = repo.base + " " + repo.ns + "/" + repo.model;
    model.revision = tag_;
    for (const auto& layer : manifest_.parsed.distinct_blobs()) {
      RemoteFile file;
      file.path = layer.digest.text();
      file.label = "pulling " + layer.digest.hex().substr(0, kLabelHex);
      file.size = layer.size;
      file.digest = layer.digest;
      file.format = format_of(layer.media_type);
      model.files.push_back(std::move(file));
    }
    return model;
  }

  // The manifest was the answer to this caller's own credential.
  Status authorise(const RemoteFile&, std::stop_token) override { return base::ok(); }

  std::shared_ptr<fetch::AddressBook> addresses(const RemoteFile& file) override {
    return make_registry_address_book(client_, layer_of(file), clock_);
  }

  Status read(const RemoteFile& file, const std::function<Status()>& restart,
              const fetch::HttpClient::BodySink& sink, std::stop_token stop) override {
    return client_->read(layer_of(file), restart, sink, std::move(stop));
  }

  std::string manifest_bytes(std::span<const base::Digest>) const override {
    return manifest_.bytes;
  }

 private:
  static manifest::Layer layer_of(const RemoteFile& file) {
    return {"", file.digest.value_or(base::Digest()), file.size};
  }

  const std::string tag_;
  const std::shared_ptr<RegistryClient> client_;
  const base::Clock& clock_;
  RegistryManifest manifest_;  // of resolve(), constant afterwards
};

}  // namespace

std::unique_ptr<ModelSource> make_ollama_source(const manifest::OllamaSource& source,
                                                const std::string& base,
                                                const std::string& key_path,
                                                fetch::HttpClient& http, base::Clock& clock,
                                                base::Log& log) {
  auto client = std::make_shared<RegistryClient>(http, RegistryRepo{base, source.ns, source.model},
                                                 key_path, clock, log);
  return std::make_unique<OllamaModelSource>(source.tag, std::move(client), clock);
}

}  // namespace castool::pull
