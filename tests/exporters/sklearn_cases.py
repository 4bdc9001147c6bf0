"""scikit-learn models by skl2onnx."""

from cases import Example, case


def estimator(name, path, outputs, **arguments):
    @case(f"sklearn/{name}", "table", ("skl2onnx",))
    def make():
        import importlib

        import numpy as np

        module, _, kind = path.rpartition(".")
        rng = np.random.default_rng(5)
        x = rng.normal(size=(60, 6)).astype(np.float32)
        y = (x[:, 0] + x[:, 1] ** 2 > 0.5).astype(np.int64)
        model = getattr(importlib.import_module(module), kind)(**arguments).fit(x, y)
        return Example(model, {"x": x[:7]}, outputs)


estimator("pca", "sklearn.decomposition.PCA", ["y"], n_components=3)
estimator("standard_scaler", "sklearn.preprocessing.StandardScaler", ["y"])
estimator("mlp_regressor", "sklearn.neural_network.MLPRegressor", ["y"], hidden_layer_sizes=(8, 8), max_iter=20)
estimator("mlp_classifier", "sklearn.neural_network.MLPClassifier", ["label", "scores"], hidden_layer_sizes=(8,), max_iter=20)
estimator("gaussian_process", "sklearn.gaussian_process.GaussianProcessRegressor", ["y"])
estimator("kmeans", "sklearn.cluster.KMeans", ["label", "distances"], n_clusters=3, n_init=1)
estimator("logistic_regression", "sklearn.linear_model.LogisticRegression", ["label", "scores"])
estimator("ridge", "sklearn.linear_model.Ridge", ["y"])
estimator("normalizer", "sklearn.preprocessing.Normalizer", ["y"], norm="l2")
estimator("decision_tree", "sklearn.tree.DecisionTreeRegressor", ["y"], max_depth=5)
estimator("random_forest", "sklearn.ensemble.RandomForestClassifier", ["label", "scores"], n_estimators=12, max_depth=5)
estimator("extra_trees", "sklearn.ensemble.ExtraTreesRegressor", ["y"], n_estimators=12, max_depth=5)
estimator("gradient_boosting", "sklearn.ensemble.GradientBoostingRegressor", ["y"], n_estimators=12)
estimator("boosted_classifier", "sklearn.ensemble.GradientBoostingClassifier", ["label", "scores"], n_estimators=12)
estimator("tree_classifier", "sklearn.tree.DecisionTreeClassifier", ["label", "scores"], max_depth=5)
